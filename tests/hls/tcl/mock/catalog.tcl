# The IP that the block design uses: interfaces as {name mode protocol condition}, pins as {name direction type
# condition}, and every property that may be set, with its default. A condition is an expression over properties.
# Source: the product guides PG082 (PS7), PG021 (DMA), PG247 (SmartConnect), PG164 (reset), PG085 (converter).

set ::CATALOG {
    xilinx.com:ip:processing_system7:5.5 {
        properties {
            preset "" PCW_USE_M_AXI_GP0 1 PCW_USE_S_AXI_HP0 0 PCW_S_AXI_HP0_DATA_WIDTH 64 PCW_EN_CLK0_PORT 1
            PCW_EN_RST0_PORT 1 PCW_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_USE_FABRIC_INTERRUPT 0 PCW_IRQ_F2P_INTR 0
            PCW_UART1_PERIPHERAL_ENABLE 0 PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ 50
        }
        interfaces {
            {M_AXI_GP0 Master aximm {$PCW_USE_M_AXI_GP0}}
            {S_AXI_HP0 Slave aximm {$PCW_USE_S_AXI_HP0}}
            {DDR Master ddrx 1}
            {FIXED_IO Master display_processing_system7 1}
        }
        pins {
            {FCLK_CLK0 O clk {$PCW_EN_CLK0_PORT}}
            {FCLK_RESET0_N O rst {$PCW_EN_RST0_PORT}}
            {M_AXI_GP0_ACLK I clk {$PCW_USE_M_AXI_GP0}}
            {S_AXI_HP0_ACLK I clk {$PCW_USE_S_AXI_HP0}}
            {IRQ_F2P I intr {$PCW_USE_FABRIC_INTERRUPT && $PCW_IRQ_F2P_INTR}}
        }
    }
    xilinx.com:ip:axi_dma:7.1 {
        properties {
            c_include_sg 1 c_sg_length_width 14 c_include_mm2s 1 c_include_s2mm 1 c_m_axi_mm2s_data_width 32
            c_m_axis_mm2s_tdata_width 32 c_mm2s_burst_size 16 c_m_axi_s2mm_data_width 32
            c_s_axis_s2mm_tdata_width 32 c_s2mm_burst_size 16
        }
        interfaces {
            {S_AXI_LITE Slave aximm 1}
            {M_AXI_SG Master aximm {$c_include_sg}}
            {M_AXI_MM2S Master aximm {$c_include_mm2s}}
            {M_AXI_S2MM Master aximm {$c_include_s2mm}}
            {M_AXIS_MM2S Master axis {$c_include_mm2s}}
            {S_AXIS_S2MM Slave axis {$c_include_s2mm}}
        }
        pins {
            {s_axi_lite_aclk I clk 1}
            {m_axi_mm2s_aclk I clk {$c_include_mm2s}}
            {m_axi_s2mm_aclk I clk {$c_include_s2mm}}
            {axi_resetn I rst 1}
            {mm2s_prmry_reset_out_n O rst 1}
            {mm2s_introut O intr {$c_include_mm2s}}
            {s2mm_introut O intr {$c_include_s2mm}}
        }
    }
    xilinx.com:ip:smartconnect:1.0 {
        properties {NUM_SI 2 NUM_MI 1 NUM_CLKS 1}
        interfaces {
            {S00_AXI Slave aximm {$NUM_SI > 0}} {S01_AXI Slave aximm {$NUM_SI > 1}}
            {M00_AXI Master aximm {$NUM_MI > 0}} {M01_AXI Master aximm {$NUM_MI > 1}}
        }
        pins {{aclk I clk 1} {aresetn I rst 1}}
    }
    xilinx.com:ip:proc_sys_reset:5.0 {
        properties {C_EXT_RESET_HIGH 0}
        interfaces {}
        pins {
            {slowest_sync_clk I clk 1} {ext_reset_in I rst 1} {aux_reset_in I rst 1} {dcm_locked I undef 1}
            {peripheral_aresetn O rst 1} {interconnect_aresetn O rst 1}
        }
    }
    xilinx.com:ip:xlconcat:2.1 {
        properties {NUM_PORTS 2}
        interfaces {}
        pins {{In0 I undef 1} {In1 I undef 1} {In2 I undef {$NUM_PORTS > 2}} {dout O undef 1}}
    }
    xilinx.com:ip:axis_dwidth_converter:1.1 {
        properties {S_TDATA_NUM_BYTES 1 M_TDATA_NUM_BYTES 1 HAS_TLAST 0 HAS_TKEEP 0 HAS_TSTRB 0 HAS_MI_TKEEP 1}
        interfaces {{S_AXIS Slave axis 1} {M_AXIS Master axis 1}}
        pins {{aclk I clk 1} {aresetn I rst 1}}
    }
}
