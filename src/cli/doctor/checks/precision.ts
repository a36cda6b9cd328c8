/** Whether the engine computes in the precision that the config asks for. */
import type { Installation } from '../../../shared/engine/installation.js';
import { checkPrecision } from '../../../shared/engine/session-config.js';
import { LockstepError } from '../../../shared/errors.js';
import { about, type Finding } from '../finding.js';
import type { Plan } from '../plan.js';

const { ok, failure } = about('software');

/** Nothing where no config is named, or there is no engine. */
export function precisionFindings({ config }: Plan, installation: Installation | undefined): Finding[] {
  if (config === undefined || installation === undefined) return [];
  const facts = { precision: config.precision, device: installation.kind };
  try {
    checkPrecision(facts);
    return [ok('precision', `${facts.precision} on ${facts.device.toUpperCase()}`, facts)];
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return [failure('precision', error.message, error.details.hint ?? '', facts)];
  }
}
