# A vendor tool's interpreter without the tool: every command checks its options, its arguments and what must
# have run before it, is recorded, and then does what the behaviour files say. A complaint ends the process at
# once, so that no script can catch it.
#
# Before this file, the harness sets ::TABLE (commands and options of one tool and release, from options/*.json)
# and ::MOCK (what the pretended installation has, and what fails in it).

# The oldest release has Tcl 8.5.
foreach command {lmap throw try tailcall coroutine yield yieldto} {
    rename $command {}
}
rename exit real_exit
set ::SEEN {}

proc complain {message} {
    puts stderr $message
    real_exit 3
}

proc record {command arguments} {
    set channel [open $::MOCK(record) a]
    puts $channel [string map [list $::MOCK(project) <project>] [linsert $arguments 0 $command]]
    close $channel
}

# Options with their values, and the positional arguments, of one call.
proc parsed {command arguments} {
    set entry [dict get $::TABLE $command]
    set options {}
    set positional {}
    for {set at 0} {$at < [llength $arguments]} {incr at} {
        set argument [lindex $arguments $at]
        if {![regexp {^-[A-Za-z]} $argument]} {
            lappend positional $argument
        } elseif {"$argument=" in [dict get $entry options]} {
            incr at
            if {$at >= [llength $arguments]} {
                complain "$command: $argument needs a value"
            }
            set value [lindex $arguments $at]
            if {[dict exists $entry values $argument] && $value ni [dict get $entry values $argument]} {
                complain "$command: $argument must be one of [dict get $entry values $argument], not $value"
            }
            dict set options $argument $value
        } elseif {$argument in [dict get $entry options]} {
            dict set options $argument 1
        } else {
            complain "$command knows no option $argument"
        }
    }
    lassign [dict get $entry arguments] least most
    set count [llength $positional]
    if {$count < $least || $count > $most} {
        complain "$command takes $least to $most arguments, not $count"
    }
    return [list $options $positional]
}

proc check_order {command} {
    foreach alternatives [dict get $::TABLE $command after] {
        set done 0
        foreach name [split $alternatives |] {
            if {$name in $::SEEN} {
                set done 1
            }
        }
        if {!$done} {
            complain "$command must come after $alternatives"
        }
    }
}

proc called {command arguments} {
    lassign [parsed $command $arguments] options positional
    check_order $command
    if {![regexp {^(get_|version$|current_|ipx::get_|ipx::current_)} $command]} {
        record $command $arguments
    }
    set result ""
    set behaviour on_[string map {:: _} $command]
    if {[llength [info procs $behaviour]] > 0} {
        set result [$behaviour $options $positional]
    }
    lappend ::SEEN $command
    return $result
}

proc option {options name {default ""}} {
    return [expr {[dict exists $options $name] ? [dict get $options $name] : $default}]
}

proc write_text {path {text ""}} {
    file mkdir [file dirname $path]
    set channel [open $path w]
    puts $channel $text
    close $channel
}

# The tool's own failure: what it would write into its log, then a Tcl error that says little.
proc fail_as_told {command} {
    if {[info exists ::MOCK(fail,$command)]} {
        set channel [open $::MOCK(log) a]
        puts $channel $::MOCK(fail,$command)
        close $channel
        error "command 'ap_source' returned error code"
    }
}

namespace eval ipx {}
foreach command [dict keys $::TABLE] {
    proc ::$command args "called [list $command] \$args"
}

proc on_exit {options positional} {
    real_exit [expr {[llength $positional] > 0 ? [lindex $positional 0] : 0}]
}
