module LUT1(input I0, output O);
  parameter [1:0] INIT = 2'h0;
  assign O = INIT[{I0}];
endmodule
