/** A forecast in words and as a document, always called one. */

import type { ScalingLaw } from '../../shared/plan/scaling-law.js';
import { figures } from '../progress-text.js';
import { commitLine, type Forecast, type StudyForecast } from './forecast.js';
import { countsOf } from './results.js';
import type { Study } from './study.js';

/** Lines for the terminal: the law, what the network's forecast is made of, and both at a few numbers of workers. */
export function describeForecast(study: Study, { law, network }: StudyForecast): string[] {
  const most = Math.max(...countsOf(study));
  const far = (at: readonly Forecast[]) =>
    at.filter(({ workers }, i) => workers > most && (i === at.length - 1 || Math.log2(workers) % 2 === 1));
  const say = (at: readonly Forecast[]) =>
    far(at)
      .map(
        ({ workers, imagesPerSec, low, high }) =>
          `${workers}: ${figures(imagesPerSec)} (${figures(low)} to ${figures(high)})`,
      )
      .join('; ') || `none beyond ${most} workers, since the global batch is fixed`;
  return [
    ...(law === undefined ? [] : [`fit       ${describeLaw(law.fitted)}`]),
    ...(law === undefined
      ? []
      : [`FORECAST  if this law goes on, images/s by workers, 95 %: ${say(law.at)}`]),
    `FORECAST  a device each, ${describeNetwork(study)}, images/s by workers, 95 %: ${say(network.at)}`,
  ];
}

export function describeLaw({ law, single, contention, coherence, residual, freedom }: ScalingLaw): string {
  const within = ({ value, error }: { readonly value: number; readonly error: number | null }) =>
    error === null ? figures(value) : `${figures(value)} ± ${figures(error)}`;
  const name = law === 'universal' ? 'universal scalability law' : "Amdahl's law";
  const terms = [
    `γ = ${within(single)} images/s`,
    `σ = ${within(contention)}`,
    ...(law === 'universal' ? [`κ = ${within(coherence)}`] : []),
  ];
  const off = freedom === 0 ? 'no repeats to tell how far off' : `${(100 * residual).toFixed(1)} % off`;
  return `${name}: ${terms.join(', ')} (± standard error; ${off})`;
}

export function describeNetwork({ network }: Study): string {
  const gigabits = (network.bytesPerSecond * 8) / 1e9;
  return `${figures(Number(gigabits.toPrecision(4)))} Gb/s and ${figures(network.delayMs)} ms`;
}

/** What `--json` prints: numbers without what they were computed with. */
export function forecastDocument({ law, network }: StudyForecast): object {
  return {
    law:
      law === undefined
        ? null
        : {
            law: law.fitted.law,
            single: law.fitted.single,
            contention: law.fitted.contention,
            coherence: law.fitted.coherence,
            residual: law.fitted.residual,
            freedom: law.fitted.freedom,
            at: law.at,
          },
    network: {
      link: network.link,
      perMicroBatchMs: network.parts.perMicroBatch,
      spread: network.parts.spread,
      commitMs: commitLine(network.parts),
      at: network.at,
    },
  };
}
