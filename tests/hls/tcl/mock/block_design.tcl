# Block designs: cells from the catalog, nets between pins, addresses, and the checks of validate_bd_design
# that the scripts rely on, some stricter than Vivado's own.

set ::CELLS {}
array set ::NET {}

proc on_get_board_parts {options positional} {
    set pattern [lindex $positional 0]
    return [lsearch -all -inline -glob $::MOCK(boards) $pattern]
}

proc on_get_ipdefs {options positional} {
    return [lsearch -all -inline -glob [dict keys $::CATALOG] [lindex $positional 0]]
}

proc on_update_ip_catalog {options positional} {
    foreach folder [property /project IP_REPO_PATHS] {
        if {![file exists [file join $folder component.xml]]} {
            complain "$folder holds no packaged IP"
        }
    }
    dict set ::CATALOG $::MOCK(accelerator_vlnv) $::MOCK(accelerator)
}

proc on_create_bd_cell {options positional} {
    set vlnv [option $options -vlnv]
    set cell /[lindex $positional 0]
    if {![dict exists $::CATALOG $vlnv]} {
        complain "there is no IP $vlnv"
    }
    if {$cell in $::CELLS} {
        complain "there is a cell $cell already"
    }
    lappend ::CELLS $cell
    set ::PROPERTY($cell,VLNV) $vlnv
    set ::PROPERTY($cell,NAME) [lindex $positional 0]
    foreach {name value} [dict get $::CATALOG $vlnv properties] {
        set ::PROPERTY($cell,CONFIG.[string toupper $name]) $value
    }
    return $cell
}

proc on_apply_bd_automation {options positional} {
    set config [option $options -config]
    if {[dict get $config apply_board_preset] == 1} {
        if {[property /project BOARD_PART] eq ""} {
            complain "there is no board to take a preset from"
        }
        set ::PROPERTY([lindex $positional 0],CONFIG.PCW_UART1_PERIPHERAL_ENABLE) 1
    }
}

proc on_get_bd_cells {options positional} {
    if {[llength $positional] == 0} {
        return [filtered $::CELLS $options]
    }
    set wanted /[string trimleft [lindex $positional 0] /]
    return [expr {$wanted in $::CELLS ? [list $wanted] : {}}]
}

proc on_get_bd_pins {options positional} {
    return [pins plain_pins $options $positional]
}

proc on_get_bd_intf_pins {options positional} {
    return [pins interface_pins $options $positional]
}

proc nets_of {options} {
    set found {}
    foreach pin [option $options -of_objects] {
        if {[info exists ::NET($pin)]} {
            lappend found $::NET($pin)
        }
    }
    return [lsort -unique $found]
}

proc on_get_bd_nets {options positional} {
    return [nets_of $options]
}

proc on_get_bd_intf_nets {options positional} {
    return [nets_of $options]
}

# A driver may have any number of sinks; a sink has one driver.
proc on_connect_bd_net {options positional} {
    set source [lindex $positional 0]
    foreach pin $positional {
        if {$pin eq ""} {
            complain "connect_bd_net: a pin is missing"
        }
    }
    if {[property $source DIR] ne "O"} {
        complain "$source must be an output"
    }
    set ::NET($source) $source
    foreach pin [lrange $positional 1 end] {
        if {[property $pin DIR] ne "I"} {
            complain "$pin must be an input"
        }
        if {[info exists ::NET($pin)]} {
            complain "$pin is connected already"
        }
        set ::NET($pin) $source
    }
}

proc protocol {pin} {
    return [lindex [split [property $pin VLNV] :] 2]
}

proc on_connect_bd_intf_net {options positional} {
    lassign $positional source sink
    foreach {pin mode} [list $source Master $sink Slave] {
        if {$pin eq ""} {
            complain "connect_bd_intf_net: an interface pin is missing"
        }
        if {[property $pin MODE] ne $mode} {
            complain "$pin must be a [string tolower $mode]"
        }
        if {[info exists ::NET($pin)]} {
            complain "$pin is connected already"
        }
    }
    if {[protocol $source] ne [protocol $sink]} {
        complain "$source and $sink speak different protocols"
    }
    set ::NET($source) $source
    set ::NET($sink) $source
}

# Bytes of a stream pin, as parameter propagation would give them.
proc stream_bytes {pin} {
    regexp {^(/[^/]+)/(.+)$} $pin -> cell name
    switch -glob [property $cell VLNV] {
        *:axi_dma:* {
            set width [expr {$name eq "M_AXIS_MM2S" ? "c_m_axis_mm2s_tdata_width" : "c_s_axis_s2mm_tdata_width"}]
            return [expr {[property $cell CONFIG.$width] / 8}]
        }
        *:axis_dwidth_converter:* {
            if {$name eq "M_AXIS"} {
                return [property $cell CONFIG.M_TDATA_NUM_BYTES]
            }
            # The input side follows what drives it.
            return [stream_bytes $::NET($pin)]
        }
        default {
            return [property $pin CONFIG.TDATA_NUM_BYTES]
        }
    }
}

proc on_assign_bd_address {options positional} {
    foreach cell $::CELLS {
        foreach pin [interface_pins $cell] {
            set registers [regexp {S_AXI_LITE$|s_axi_control$|s_axi_AXILiteS$} $pin]
            if {$registers && [info exists ::NET($pin)]} {
                set segment /ps7/Data/SEG_[property $cell NAME]_Reg
                set ::PROPERTY($segment,NAME) SEG_[property $cell NAME]_Reg
                set ::PROPERTY($segment,OFFSET) 0x40000000
                set ::PROPERTY($segment,RANGE) 64K
                lappend ::SEGMENTS $segment
            }
        }
    }
}

proc on_get_bd_addr_spaces {options positional} {
    return /[lindex $positional 0]
}

proc on_get_bd_addr_segs {options positional} {
    return [filtered $::SEGMENTS $options]
}

proc check_dma {cell} {
    if {[property $cell CONFIG.C_INCLUDE_SG] != 0 || [property $cell CONFIG.C_SG_LENGTH_WIDTH] != 26} {
        complain "$cell must be a simple DMA with lengths of 26 bits"
    }
    foreach {stream memory} {
        C_M_AXIS_MM2S_TDATA_WIDTH C_M_AXI_MM2S_DATA_WIDTH C_S_AXIS_S2MM_TDATA_WIDTH C_M_AXI_S2MM_DATA_WIDTH
    } {
        set width [property $cell CONFIG.$stream]
        if {$width ni {8 16 32 64 128 256 512 1024}} {
            complain "$cell: $stream must be a power of two from 8 to 1024, not $width"
        }
        if {[property $cell CONFIG.$memory] < $width} {
            complain "$cell: $memory must be at least $width"
        }
    }
}

proc on_validate_bd_design {options positional} {
    foreach cell $::CELLS {
        if {[string match *:axi_dma:* [property $cell VLNV]]} {
            check_dma $cell
        }
        foreach pin [concat [interface_pins $cell] [plain_pins $cell]] {
            set needed [expr {[property $pin DIR] eq "I" && [property $pin TYPE] in {clk intr}
                || [string match *axi* [property $pin VLNV]]}]
            if {$needed && ![info exists ::NET($pin)]} {
                complain "$pin is open"
            }
            if {[protocol $pin] eq "axis_rtl" && [stream_bytes $pin] != [stream_bytes $::NET($pin)]} {
                complain "$pin is [stream_bytes $pin] bytes wide, but $::NET($pin) is [stream_bytes $::NET($pin)]"
            }
        }
    }
    set offsets {}
    foreach segment $::SEGMENTS {
        lappend offsets [property $segment OFFSET]
    }
    if {[llength [lsort -unique $offsets]] != [llength $offsets]} {
        complain "addresses overlap: $offsets"
    }
}

proc on_make_wrapper {options positional} {
    if {[option $options -files] eq ""} {
        complain "make_wrapper: there is no such block design"
    }
}
