module LUT2(input I0, input I1, output O);
  parameter [3:0] INIT = 4'h0;
  assign O = INIT[{I1, I0}];
endmodule
