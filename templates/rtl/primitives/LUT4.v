module LUT4(input I0, input I1, input I2, input I3, output O);
  parameter [15:0] INIT = 16'h0;
  assign O = INIT[{I3, I2, I1, I0}];
endmodule
