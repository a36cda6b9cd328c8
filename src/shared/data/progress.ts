/** How far a long piece of data work is. */

export interface Progress {
  readonly doing: 'downloading' | 'reading' | 'writing';
  readonly done: number;
  /** An estimate while reading; absent when nothing is known. */
  readonly total?: number;
  readonly unit: 'images' | 'bytes';
}

export type OnProgress = (progress: Progress) => void;
