/** A tensor as it is written. */
export interface ExportedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  read(): Promise<Float32Array>;
}
