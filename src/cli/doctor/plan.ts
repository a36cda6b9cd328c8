/** What the doctor looks for: what a run would need here. */
import type { Config } from '../../shared/config/schema.js';

export interface Plan {
  /** Where run folders go. */
  readonly runs: string;
  /** The run's config, if one was named. */
  readonly config: Config | undefined;
  /** Workers on one host. */
  readonly workers: number;
}
