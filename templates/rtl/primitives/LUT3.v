module LUT3(input I0, input I1, input I2, output O);
  parameter [7:0] INIT = 8'h0;
  assign O = INIT[{I2, I1, I0}];
endmodule
