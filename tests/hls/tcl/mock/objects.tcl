# Objects of a Vivado project as plain names: cells "/dma", pins "/dma/aclk", runs "impl_1". Properties lie in
# the array ::PROPERTY(object,NAME), names in upper case.

proc property {object name} {
    set key $object,[string toupper $name]
    return [expr {[info exists ::PROPERTY($key)] ? $::PROPERTY($key) : ""}]
}

# One comparison of a -filter expression: NAME == value, NAME != value, NAME =~ "pattern".
proc holds {object term} {
    if {![regexp {^\s*(\S+)\s+(==|!=|=~)\s+"?([^"]*?)"?\s*$} $term -> name operator value]} {
        complain "the filter '$term' must be a comparison"
    }
    if {![info exists ::PROPERTY($object,[string toupper $name])]} {
        complain "the filter asks for $name, which $object has not"
    }
    set found [property $object $name]
    switch $operator {
        == {return [expr {$found eq $value}]}
        != {return [expr {$found ne $value}]}
        =~ {return [string match $value $found]}
    }
}

proc matches {object filter} {
    if {$filter eq ""} {
        return 1
    }
    foreach alternative [split [string map {|| \u0001} $filter] \u0001] {
        set all 1
        foreach term [split [string map {&& \u0001} $alternative] \u0001] {
            set all [expr {$all && [holds $object $term]}]
        }
        if {$all} {
            return 1
        }
    }
    return 0
}

proc filtered {objects options} {
    set kept {}
    foreach object $objects {
        if {[matches $object [option $options -filter]]} {
            lappend kept $object
        }
    }
    return $kept
}

proc cell_properties {cell} {
    set values [dict create]
    foreach {key value} [array get ::PROPERTY $cell,CONFIG.*] {
        dict set values [string range $key [string length $cell,CONFIG.] end] $value
    }
    return $values
}

proc condition_holds {cell condition} {
    foreach {key default} [dict get $::CATALOG [property $cell VLNV] properties] {
        set $key [property $cell CONFIG.$key]
    }
    return [expr $condition]
}

proc interface_pins {cell} {
    set found {}
    foreach entry [dict get $::CATALOG [property $cell VLNV] interfaces] {
        lassign $entry name mode protocol condition
        if {[condition_holds $cell $condition]} {
            set pin $cell/$name
            set ::PROPERTY($pin,MODE) $mode
            set ::PROPERTY($pin,VLNV) xilinx.com:interface:${protocol}_rtl:1.0
            set ::PROPERTY($pin,NAME) $name
            lappend found $pin
        }
    }
    return $found
}

proc plain_pins {cell} {
    set found {}
    foreach entry [dict get $::CATALOG [property $cell VLNV] pins] {
        lassign $entry name direction type condition
        if {[condition_holds $cell $condition]} {
            set pin $cell/$name
            set ::PROPERTY($pin,DIR) $direction
            set ::PROPERTY($pin,TYPE) $type
            set ::PROPERTY($pin,NAME) $name
            lappend found $pin
        }
    }
    return $found
}

# Pins of the asked kind: of the given cells, or the one that is named.
proc pins {lister options positional} {
    set cells [option $options -of_objects $::CELLS]
    set found {}
    foreach cell $cells {
        if {$cell ni $::CELLS} {
            complain "there is no cell $cell"
        }
        set found [concat $found [$lister $cell]]
    }
    if {[llength $positional] > 0} {
        set wanted /[string trimleft [lindex $positional 0] /]
        set found [expr {$wanted in $found ? [list $wanted] : {}}]
    }
    return [filtered $found $options]
}
