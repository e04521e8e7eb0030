# What the commands of an HLS tool leave behind.

proc on_open_project {options positional} {
    set ::PROJECT [lindex $positional 0]
    if {[dict exists $options -reset]} {
        file delete -force $::PROJECT
    }
    file mkdir $::PROJECT
}

proc on_set_top {options positional} {
    set ::TOP [lindex $positional 0]
}

proc on_add_files {options positional} {
    foreach file [lindex $positional 0] {
        if {![file exists $file]} {
            complain "there is no file $file"
        }
    }
}

# A solution that is opened again is where it was left.
proc on_open_solution {options positional} {
    set ::SOLUTION_FOLDER [file join $::PROJECT [lindex $positional 0]]
    set state [file join $::SOLUTION_FOLDER state]
    if {![dict exists $options -reset] && [file exists $state]} {
        set channel [open $state]
        lassign [split [read $channel] "\n"] seen ::TOP
        close $channel
        set ::SEEN [concat $::SEEN $seen]
    }
    file mkdir $::SOLUTION_FOLDER
}

proc on_set_part {options positional} {
    if {[lindex $positional 0] ni $::MOCK(parts)} {
        error "\[HLS 200-1023\] Part '[lindex $positional 0]' is not installed."
    }
}

proc leave {path} {
    write_text [file join $::SOLUTION_FOLDER state] "$::SEEN\n$::TOP"
    if {$path ni $::MOCK(missing)} {
        write_text [file join $::SOLUTION_FOLDER $path]
    }
}

proc on_csim_design {options positional} {
    fail_as_told csim_design
    leave csim/report/${::TOP}_csim.log
}

proc on_csynth_design {options positional} {
    fail_as_told csynth_design
    lappend ::SEEN csynth_design
    leave syn/report/${::TOP}_csynth.xml
    leave syn/verilog/$::TOP.v
    leave syn/verilog/${::TOP}_weights.dat
}

proc on_cosim_design {options positional} {
    fail_as_told cosim_design
    leave sim/report/${::TOP}_cosim.rpt
}

proc on_export_design {options positional} {
    fail_as_told export_design
    leave impl/ip/component.xml
}
