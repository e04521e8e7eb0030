# SPDX-License-Identifier: Apache-2.0
# What the build scripts share. It is sourced by them, never started.
#
# Tcl 8.5 throughout: Vivado 2018.3 has no lmap and no try.

# End the script with one clear message.
proc fail {message} {
    error $message "" HBNN
}

# Run a script's main in the project's folder, so that every path below is relative to it. An error ends the
# tool with status 1: in batch mode some versions would otherwise stop at a prompt.
proc run {main} {
    cd $::PROJECT_ROOT
    if {[catch $main message]} {
        puts "ERROR: $message"
        # What no check foresaw: where it happened is all there is to say.
        if {$::errorCode ne "HBNN"} {
            puts $::errorInfo
        }
        exit 1
    }
    exit 0
}

proc require_file {path remedy} {
    if {![file exists $path]} {
        fail "there is no file '$path'; $remedy"
    }
    return $path
}

# Release of this Vivado as "2019.2", without the suffixes of updates and patches.
proc vivado_release {} {
    if {![regexp {^\d+\.\d+} [version -short] release]} {
        fail "the version of this Vivado must start with a release such as 2019.2, not '[version -short]'"
    }
    return $release
}

proc require_vivado {} {
    if {[package vcompare [vivado_release] 2018.3] < 0} {
        fail "Vivado must be 2018.3 or later, not [version -short]"
    }
}

proc require_part {part} {
    if {[llength [get_parts -quiet $part]] == 0} {
        fail "the part $part is not in this installation; add Zynq-7000 devices with the vendor's installer\
            (Help > Add Design Tools or Devices), and a licence that covers the XC7Z045"
    }
}

# Bytes that the log files have by now, so that only what follows is searched for errors.
proc log_sizes {logs} {
    set sizes [dict create]
    foreach log $logs {
        if {[file isfile $log]} {
            dict set sizes $log [file size $log]
        }
    }
    return $sizes
}

# What a log file gained since its size was taken.
proc new_text {log sizes} {
    if {![file isfile $log]} {
        return ""
    }
    set channel [open $log]
    # A log that is shorter by now was begun anew.
    if {[dict exists $sizes $log] && [dict get $sizes $log] <= [file size $log]} {
        seek $channel [dict get $sizes $log]
    }
    set text [read $channel]
    close $channel
    return $text
}

# First new line of the logs that reports an error, with its file; "" if there is none. A compiler's message
# counts, too: it comes before the tool's own, and says more.
proc first_error {logs sizes} {
    foreach log $logs {
        foreach line [split [new_text $log $sizes] "\n"] {
            if {[regexp {^\s*ERROR:|: (fatal )?error: } $line]} {
                return "[string trim $line] ($log)"
            }
        }
    }
    return ""
}

# Reports of the open design; hbnn-hw reports reads them under these names.
proc write_reports {folder} {
    file mkdir $folder
    report_utilization -file [file join $folder utilization.rpt]
    report_utilization -hierarchical -file [file join $folder utilization_hierarchical.rpt]
    report_timing_summary -file [file join $folder timing_summary.rpt]
    report_power -file [file join $folder power.rpt]
}

# Stop unless setup and hold slack are at least 0: hardware that misses timing computes wrong bits now and then.
proc require_slack {setup_ns hold_ns remedy} {
    foreach {what slack} [list setup $setup_ns hold $hold_ns] {
        if {![string is double -strict $slack]} {
            fail "the worst $what slack must be a number, not '$slack'; are the clocks constrained?"
        }
        if {$slack < 0} {
            fail "timing is not met: the worst $what slack is $slack ns; $remedy"
        }
    }
    puts "timing is met: worst setup slack $setup_ns ns, worst hold slack $hold_ns ns"
}
