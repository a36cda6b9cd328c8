/** What a model's tensors are called, how large they are, and where they begin. */

export type Group = 'encoder' | 'projection' | 'classifier';

/** How a parameter gets its first values: see initialize.ts. */
export type Initializer =
  | { readonly kind: 'zeros' | 'ones' | 'identity' }
  | { readonly kind: 'heNormal'; readonly fan: number }
  | { readonly kind: 'glorotUniform'; readonly fanIn: number; readonly fanOut: number };

export interface ParameterSpec {
  /** torchvision's path after the group, for example `encoder.layer1.0.conv1.kernel`. */
  readonly name: string;
  /** Kernels are [height,width,in,out] and [in,out]. */
  readonly shape: readonly number[];
  readonly group: Group;
  /** Whether weight decay applies: not to BatchNorm and biases. */
  readonly decay: boolean;
  readonly init: Initializer;
}

/** A running mean or variance of BatchNorm, [channels]. */
export interface StatisticSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly group: Group;
  readonly init: 0 | 1;
}
