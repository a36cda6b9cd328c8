/** Rows of one width, float32 [images,width]. */
export interface Rows {
  readonly values: Float32Array;
  readonly width: number;
}
