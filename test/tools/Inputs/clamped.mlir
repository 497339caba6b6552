// x, but no more than a limit that lies on the device.
func.func @clamped(%x: f32, %limit: f32 {dgemm.operand = #dgemm.epilogue_operand<name = "limit", along = none, element = f32>}) -> f32 {
  %0 = arith.minimumf %x, %limit : f32
  return %0 : f32
}
