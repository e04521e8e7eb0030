# Projects, runs, reports and IP packaging.

proc on_version {options positional} {
    return $::MOCK(version)
}

proc on_get_parts {options positional} {
    return [lsearch -all -inline -glob $::MOCK(parts) [lindex $positional 0]]
}

proc on_create_project {options positional} {
    lassign $positional ::PROJECT_NAME folder
    write_text [file join $folder $::PROJECT_NAME.xpr]
}

proc on_open_project {options positional} {
    set file [lindex $positional 0]
    if {![file exists $file]} {
        complain "there is no project $file"
    }
    set ::PROJECT_NAME [file rootname [file tail $file]]
    set ::PROJECT_FOLDER [file dirname $file]
}

proc on_current_project {options positional} {
    return /project
}

proc on_current_fileset {options positional} {
    return /sources
}

proc on_get_files {options positional} {
    return [expr {[lindex $positional 0] eq "system.bd" ? "/files/system.bd" : ""}]
}

proc existing {files} {
    foreach file $files {
        if {![file exists $file]} {
            complain "there is no file $file"
        }
    }
}

proc on_add_files {options positional} {
    existing [lindex $positional 0]
    set ::ADDED [lindex $positional 0]
}

proc on_read_verilog {options positional} {
    existing [lindex $positional 0]
}

proc on_read_xdc {options positional} {
    existing [lindex $positional 0]
    set channel [open [lindex $positional 0]]
    set ::CONSTRAINTS [read $channel]
    close $channel
}

set ::FREE_PROPERTIES {
    BOARD_PART IP_REPO_PATHS TOP OFFSET RANGE NAME VERSION CORE_REVISION DISPLAY_NAME SUPPORTED_FAMILIES
}

proc set_one {object name value} {
    set name [string toupper $name]
    if {$object eq ""} {
        complain "set_property $name: there is no object"
    }
    if {[string match CONFIG.* $name]} {
        if {![info exists ::PROPERTY($object,$name)]} {
            complain "$object has no property $name"
        }
        if {$name eq "CONFIG.PRESET"} {
            if {!$::MOCK(preset)} {
                error "the preset $value is not known"
            }
            set ::PROPERTY($object,CONFIG.PCW_UART1_PERIPHERAL_ENABLE) 1
        }
        if {$name eq "CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ"} {
            set ::PROPERTY($object,CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ) $::MOCK(fclk_mhz)
        }
    } elseif {$name ni $::FREE_PROPERTIES} {
        complain "$object has no property $name"
    }
    if {$name eq "CORE_REVISION" && $value > 2147483647} {
        complain "the revision $value overflows"
    }
    set ::PROPERTY($object,$name) $value
}

proc on_set_property {options positional} {
    if {[dict exists $options -dict]} {
        foreach {name value} [dict get $options -dict] {
            set_one [lindex $positional 0] $name $value
        }
    } else {
        lassign $positional name value object
        set_one $object $name $value
    }
}

proc on_get_property {options positional} {
    lassign $positional name object
    set key $object,[string toupper $name]
    if {![info exists ::PROPERTY($key)]} {
        complain "$object has no property $name"
    }
    return $::PROPERTY($key)
}

# Runs.

proc on_get_runs {options positional} {
    return [lindex $positional 0]
}

proc on_launch_runs {options positional} {
    set run [lindex $positional 0]
    set folder [file join $::PROJECT_FOLDER $::PROJECT_NAME.runs $run]
    set failed [info exists ::MOCK(fail,$run)]
    write_text [file join $folder runme.log] [expr {$failed ? $::MOCK(fail,$run) : "INFO: done"}]
    set ::PROPERTY($run,PROGRESS) [expr {$failed ? "40%" : "100%"}]
    set ::PROPERTY($run,STATUS) [expr {$failed ? "$run ERROR" : "$run Complete!"}]
    set ::PROPERTY($run,STATS.WNS) $::MOCK(wns)
    set ::PROPERTY($run,STATS.WHS) $::MOCK(whs)
    if {$run ne "impl_1" || $failed} {
        return
    }
    if {[option $options -to_step] ne "write_bitstream"} {
        complain "impl_1 must run to write_bitstream"
    }
    write_text [file join $folder system_wrapper.bit] bits
    set generated [expr {[package vcompare $::MOCK(version) 2020.2] >= 0 ? "gen" : "srcs"}]
    set folder [file join $::PROJECT_FOLDER $::PROJECT_NAME.$generated]
    write_text [file join $folder sources_1 bd system hw_handoff system.hwh] description
}

foreach command {
    report_utilization report_timing_summary report_power write_hw_platform write_hwdef write_sysdef
} {
    proc on_$command {options positional} {
        write_text [option $options -file] report
    }
}

# Out of context.

proc on_synth_design {options positional} {
    if {![string match "*create_clock -period*" $::CONSTRAINTS]} {
        complain "there is no clock constraint"
    }
    if {[llength [glob -nocomplain *.dat]] == 0} {
        complain "the .dat files of the ROMs must be in the run's folder"
    }
}

proc on_get_timing_paths {options positional} {
    if {"route_design" ni $::SEEN} {
        complain "slack must be asked for behind the routing"
    }
    set kind [option $options -delay_type max]
    set ::PROPERTY(path_$kind,SLACK) [expr {$kind eq "max" ? $::MOCK(wns) : $::MOCK(whs)}]
    return path_$kind
}

# IP packaging.

proc on_ipx_package_project {options positional} {
    foreach extension {.v .dat} {
        if {[lsearch -glob $::ADDED *$extension] < 0} {
            complain "the $extension files must be packaged"
        }
    }
    set ::CORE_FOLDER [option $options -root_dir]
}

proc on_ipx_current_core {options positional} {
    return core
}

proc on_ipx_get_bus_interfaces {options positional} {
    set found {}
    foreach {name kind} $::MOCK(buses) {
        set ::PROPERTY(bus_$name,NAME) $name
        set ::PROPERTY(bus_$name,ABSTRACTION_TYPE_NAME) $kind
        lappend found bus_$name
    }
    return $found
}

proc on_ipx_save_core {options positional} {
    if {[property core CORE_REVISION] eq ""} {
        complain "the revision must be a constant"
    }
    write_text [file join $::CORE_FOLDER component.xml]
}
