/** The panel that says in words what the map shows. */
import { fill, make } from './dom.js';
import { contains, distanceM } from './geo.js';
import {
  headingWords,
  lengthWords,
  millisecondsWords,
  percentWords,
  pointWords,
  reasonWords,
  statusWords,
} from './words.js';

/** The parts of a request's time, as the service names them. */
const TIMING_PARTS = ['decode', 'queue', 'inference', 'search'];

/**
 * @typedef {{ answer: import('./api.js').Answer, curl: string, roundTripMs: number, truth?: number[] | undefined,
 *   regions: readonly import('./api.js').Region[] }} Outcome
 */

/** One line over the map.
 * @param {Outcome} outcome */
export function verdictOf({ answer, truth }) {
  const { title } = statusWords(answer.status);
  const at = answer.location?.coordinates;
  const parts = [
    answer.accuracy ? `± ${lengthWords(answer.accuracy.radiusM)}` : undefined,
    at && truth ? `${lengthWords(distanceM(at, truth))} from the truth` : undefined,
  ];
  return make('span', {}, make('strong', {}, title), ...parts.flatMap((part) => (part ? [` · ${part}`] : [])));
}

/**
 * @param {HTMLElement} panel
 * @param {Outcome} outcome
 * @param {(rank: number) => void} onCandidate
 */
export function showAnswer(panel, outcome, onCandidate) {
  const { answer, curl } = outcome;
  const { title, meaning } = statusWords(answer.status);
  panel.dataset.status = answer.status;
  fill(
    panel,
    make('h2', { id: 'answer-title', class: 'status' }, title),
    make('p', { class: 'meaning' }, meaning),
    factsOf(outcome),
    reasonsOf(answer.reasons),
    candidatesOf(answer, onCandidate),
    timingOf(outcome),
    curlOf(curl),
    rawOf(answer),
  );
}

/**
 * @param {HTMLElement} panel
 * @param {import('./api.js').Problem} problem
 * @param {string | undefined} curl
 */
export function showProblem(panel, problem, curl) {
  panel.dataset.status = 'error';
  const facts = [
    problem.status === undefined ? undefined : fact('HTTP status', String(problem.status)),
    problem.code === undefined ? undefined : fact('Code', problem.code),
    problem.requestId === undefined ? undefined : fact('Request', problem.requestId),
  ];
  const violations = problem.errors.map(({ detail, pointer }) =>
    make('li', {}, pointer ? `${pointer}: ${detail}` : detail),
  );
  const after = problem.retryAfterS === undefined ? '' : ` in ${problem.retryAfterS} s`;
  fill(
    panel,
    make('h2', { id: 'answer-title', class: 'status' }, problem.title),
    make('div', { role: 'alert' }, make('p', { class: 'meaning' }, problem.detail ?? 'The service gave no details.')),
    violations.length === 0 ? undefined : make('ul', { class: 'reasons' }, ...violations),
    problem.retryable
      ? make('p', { class: 'hint' }, `Nothing is wrong with the request: try again${after}.`)
      : undefined,
    make('dl', { class: 'facts' }, ...facts),
    curl === undefined ? undefined : curlOf(curl),
  );
}

/** @param {HTMLElement} panel */
export function showWaiting(panel) {
  panel.dataset.status = 'waiting';
  fill(
    panel,
    make('h2', { id: 'answer-title', class: 'status' }, 'Locating …'),
    make('p', { class: 'meaning' }, 'The photo is compared with every tile of the imagery.'),
  );
}

/**
 * @param {HTMLElement} panel
 * @param {string} hint what to do to get an answer
 */
export function showHint(panel, hint) {
  delete panel.dataset.status;
  fill(panel, make('h2', { id: 'answer-title' }, 'Answer'), make('p', { class: 'hint' }, hint));
}

/** @param {Outcome} outcome */
function factsOf({ answer, truth, regions }) {
  const { location, accuracy, heading, region, model } = answer;
  const at = location?.coordinates;
  return make(
    'dl',
    { class: 'facts' },
    at && fact('Location', pointWords(at)),
    accuracy && fact('Accuracy', `within ${lengthWords(accuracy.radiusM)} (${percentWords(accuracy.confidence)} sure)`),
    heading && fact('Heading', `${headingWords(heading.deg)}, ± ${Math.round(heading.accuracyDeg)}°`),
    fact('Probability', percentWords(answer.probability)),
    truth && fact('Truth', truthWords(truth, answer, regions)),
    region && fact('Region', `${region.id} ${region.version}`),
    fact('Model', `${model.name} ${model.version}`),
    answer.requestId === undefined ? undefined : fact('Request', answer.requestId),
  );
}

/**
 * @param {number[]} truth
 * @param {import('./api.js').Answer} answer
 * @param {readonly import('./api.js').Region[]} regions
 */
function truthWords(truth, { location, accuracy }, regions) {
  const covered = regions.some(({ bbox }) => contains(bbox, truth));
  if (!covered) return location ? 'taken outside every region: this answer is wrong' : 'taken outside every region';
  if (!location) return 'inside the region';
  const errorM = distanceM(location.coordinates, truth);
  if (!accuracy) return `${lengthWords(errorM)} away`;
  return `${lengthWords(errorM)} away, ${errorM <= accuracy.radiusM ? 'inside' : 'outside'} the circle`;
}

/**
 * @param {string} name
 * @param {string} value
 */
function fact(name, value) {
  return make('div', {}, make('dt', {}, name), make('dd', {}, value));
}

/** @param {readonly string[]} reasons */
function reasonsOf(reasons) {
  if (reasons.length === 0) return undefined;
  const items = reasons.map((reason) => make('li', { 'data-reason': reason }, reasonWords(reason)));
  return make('section', {}, make('h3', {}, 'Keep in mind'), make('ul', { class: 'reasons' }, ...items));
}

/**
 * @param {import('./api.js').Answer} answer
 * @param {(rank: number) => void} onCandidate
 */
function candidatesOf({ candidates }, onCandidate) {
  if (candidates.length === 0) return undefined;
  const items = candidates.map(({ rank, probability, similarity, tileId, regionId }) => {
    const meter = make('meter', { min: 0, max: 1, value: probability, 'aria-hidden': 'true' });
    const button = make(
      'button',
      { type: 'button', class: 'candidate', 'data-rank': rank, title: `${regionId} / ${tileId}` },
      make('span', { class: 'rank' }, String(rank)),
      make('span', { class: 'tile-id' }, tileId),
      make('span', { class: 'share' }, percentWords(probability)),
      meter,
      make('span', { class: 'similarity' }, `similarity ${similarity.toFixed(3)}`),
    );
    button.addEventListener('click', () => onCandidate(rank));
    return make('li', {}, button);
  });
  return make('section', {}, make('h3', {}, 'Candidates'), make('ol', { class: 'candidates' }, ...items));
}

/**
 * Marks the chosen candidate in the list.
 * @param {HTMLElement} panel
 * @param {number | undefined} rank
 */
export function markCandidate(panel, rank) {
  for (const button of panel.querySelectorAll('.candidate')) {
    button.setAttribute('aria-pressed', String(button.getAttribute('data-rank') === String(rank)));
  }
}

/** @param {Outcome} outcome */
function timingOf({ answer: { timingMs }, roundTripMs }) {
  const parts = TIMING_PARTS.flatMap((name) => {
    const ms = timingMs[name];
    return ms === undefined ? [] : [{ name, ms }];
  });
  const bar = make('div', { class: 'timing', 'aria-hidden': 'true' });
  for (const { name, ms } of parts) {
    const part = make('span', { 'data-part': name });
    part.style.flexGrow = String(Math.max(ms, 0.01));
    bar.append(part);
  }
  const items = parts.map(({ name, ms }) => make('li', { 'data-part': name }, `${name} ${millisecondsWords(ms)}`));
  const total = timingMs.total;
  const service = total === undefined ? '' : `${millisecondsWords(total)} in the service, `;
  return make(
    'section',
    {},
    make('h3', {}, 'Time'),
    bar,
    make('ul', { class: 'timing-parts' }, ...items),
    make('p', { class: 'hint' }, `${service}${millisecondsWords(roundTripMs)} as seen by this page.`),
  );
}

/** @param {string} curl */
function curlOf(curl) {
  const copy = make('button', { type: 'button', class: 'small' }, 'Copy');
  copy.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(curl);
      copy.textContent = 'Copied';
    } catch {
      copy.textContent = 'Select the text to copy it';
    }
  });
  return make(
    'section',
    {},
    make('div', { class: 'row' }, make('h3', {}, 'The same request'), copy),
    make('pre', { class: 'curl', tabindex: 0 }, make('code', {}, curl)),
  );
}

/** @param {import('./api.js').Answer} answer */
function rawOf(answer) {
  return make(
    'details',
    { class: 'raw' },
    make('summary', {}, 'Raw answer'),
    make('pre', { tabindex: 0 }, make('code', {}, JSON.stringify(answer, null, 2))),
  );
}
