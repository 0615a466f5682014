/** The demo page: a photo goes to the service, the answer is drawn on the map and said in words. */
import { markCandidate, showAnswer, showHint, showProblem, showWaiting, verdictOf } from './answer.js';
import { curlOf, fetchImage, fetchMakesViews, fetchRegions, fetchSamples, geolocate, Problem } from './api.js';
import { byId } from './dom.js';
import { openMap } from './map.js';
import { optionsForm } from './options.js';
import { regionsBbox } from './regions.js';
import { sampleList, sampleWords } from './samples.js';
import { extentOf, sceneOf } from './scene.js';
import { openViews } from './views.js';

/** @typedef {{ name: string, url?: string, file?: File, truth?: number[] }} Query a sample by its url, or a file */

const form = byId('query', HTMLFormElement);
const panel = byId('answer', HTMLElement);
const verdict = byId('verdict', HTMLParagraphElement);
const locate = byId('locate', HTMLButtonElement);
const cancel = byId('cancel', HTMLButtonElement);
const note = byId('map-note', HTMLParagraphElement);
const preview = byId('preview', HTMLImageElement);

/** @type {import('./api.js').Region[]} */
let regions = [];
/** @type {import('./map.js').PageMap | undefined} */
let map;
/** @type {ReturnType<typeof openViews> | undefined} */
let views;
/** @type {readonly import('./api.js').Sample[]} */
let allSamples = [];
/** @type {Query | undefined} */
let query;
/** @type {import('./answer.js').Outcome | undefined} */
let outcome;
/** @type {number | undefined} */
let selectedRank;
/** @type {AbortController | undefined} */
let running;

const options = optionsForm(form, draw);
const samples = sampleList(byId('samples', HTMLDivElement), pickSample);

function draw() {
  map?.draw(
    sceneOf({ regions, answer: outcome?.answer, selectedRank, prior: options.prior(), truth: outcome && query?.truth }),
  );
}

/** @param {import('./api.js').Sample} sample */
function pickSample({ image, kind, lon, lat, headingDeg, fovDeg, ...rest }) {
  const sample = { ...rest, image, kind, lon, lat, headingDeg, fovDeg };
  const truth = lon === null || lat === null ? {} : { truth: [lon, lat] };
  query = { name: image.split('/').at(-1) ?? image, url: image, ...truth };
  options.setKnown({ headingDeg, fovDeg: kind === 'photo' ? fovDeg : null });
  showChosen(image, sampleWords(sample));
  ask();
}

/** @param {File} file */
function pickFile(file) {
  samples.clear();
  query = { name: file.name, file };
  options.setKnown({});
  showChosen(URL.createObjectURL(file), file.name);
  ask();
}

/**
 * @param {string} source
 * @param {string} words
 */
function showChosen(source, words) {
  if (preview.src.startsWith('blob:')) URL.revokeObjectURL(preview.src);
  preview.hidden = false;
  preview.src = source;
  byId('chosen', HTMLParagraphElement).textContent = words;
  locate.disabled = false;
}

async function ask() {
  if (query === undefined) return;
  running?.abort();
  running = undefined;
  outcome = undefined;
  selectedRank = undefined;
  verdict.hidden = true;
  draw();
  if (!options.valid()) {
    setBusy(false);
    showHint(panel, 'Set what is missing on the left, then press Locate.');
    return;
  }
  const controller = new AbortController();
  running = controller;
  setBusy(true);
  showWaiting(panel);
  const { name, url, file, truth } = query;
  const asked = { name, url, options: options.read() };
  const curl = curlOf(asked, location.origin);
  try {
    const image = file ?? (await fetchImage(url ?? '', controller.signal));
    const startedMs = performance.now();
    const answer = await geolocate({ image, ...asked }, controller.signal);
    outcome = { answer, curl, roundTripMs: performance.now() - startedMs, truth, regions };
    selectedRank = answer.location && answer.candidates[0]?.rank;
    showOutcome(outcome);
    void views?.lookDown({ image, name, ...asked.options });
  } catch (error) {
    if (running !== controller) return; // a newer request took over
    if (controller.signal.aborted) showHint(panel, 'Canceled. Press Locate to ask again.');
    else showProblem(panel, problemOf(error), curl);
  } finally {
    if (running === controller) setBusy(false);
  }
}

/** @param {import('./answer.js').Outcome} shown */
function showOutcome(shown) {
  showAnswer(panel, shown, selectCandidate);
  markCandidate(panel, selectedRank);
  verdict.replaceChildren(verdictOf(shown));
  verdict.dataset.status = shown.answer.status;
  verdict.hidden = false;
  draw();
  const extent = focusOf(shown);
  if (extent) map?.fit(extent);
  if (matchMedia('(max-width: 760px)').matches) document.querySelector('.stage')?.scrollIntoView({ block: 'start' });
}

/**
 * What to look at: one place from near, several together, and the whole imagery where nothing was found.
 * @param {import('./answer.js').Outcome} shown
 */
function focusOf({ answer, truth }) {
  if (answer.location === undefined) return regionsBbox(regions);
  const candidates = answer.status === 'matched' ? answer.candidates.slice(0, 1) : answer.candidates;
  return extentOf(sceneOf({ regions, answer: { ...answer, candidates }, truth }));
}

/** @param {number} rank */
function selectCandidate(rank) {
  const candidate = outcome?.answer.candidates.find((one) => one.rank === rank);
  if (candidate === undefined) return;
  selectedRank = rank;
  markCandidate(panel, rank);
  draw();
  map?.fit(candidate.bounds);
}

/** @param {boolean} busy */
function setBusy(busy) {
  form.setAttribute('aria-busy', String(busy));
  locate.textContent = busy ? 'Locating …' : 'Locate';
  locate.disabled = busy || query === undefined;
  cancel.hidden = !busy;
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof Problem) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new Problem({ title: 'The answer could not be shown', detail });
}

/** @param {string} message */
function tell(message) {
  note.textContent = message;
  note.hidden = false;
}

function listen() {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    ask();
  });
  cancel.addEventListener('click', () => running?.abort());
  preview.addEventListener('error', () => {
    preview.hidden = true; // no image: the service will say so
  });
  const file = byId('file', HTMLInputElement);
  file.addEventListener('change', () => {
    const [chosen] = file.files ?? [];
    if (chosen) pickFile(chosen);
    file.value = ''; // the same file can be chosen again
  });
  const drop = byId('drop', HTMLDivElement);
  document.addEventListener('dragover', (event) => {
    event.preventDefault(); // a photo that misses the zone does not replace the page
    drop.classList.toggle('over', event.dataTransfer?.types.includes('Files') ?? false);
  });
  document.addEventListener('dragleave', (event) => {
    if (event.relatedTarget === null) drop.classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const [dropped] = event.dataTransfer?.files ?? [];
    if (dropped) pickFile(dropped);
  });
}

async function startSamples() {
  try {
    const all = await fetchSamples();
    byId('samples-section', HTMLElement).hidden = all.length === 0;
    allSamples = all;
    samples.show(all);
    for (const radio of form.querySelectorAll('input[name="kind"]')) {
      radio.addEventListener('change', () => {
        const kind = new FormData(form).get('kind');
        samples.show(all.filter((sample) => kind === 'all' || sample.kind === kind));
      });
    }
  } catch (error) {
    byId('samples', HTMLDivElement).textContent = `The samples could not be loaded: ${problemOf(error).message}`;
  }
}

async function startMap() {
  try {
    regions = await fetchRegions();
  } catch (error) {
    tell(`The regions could not be loaded: ${problemOf(error).message}`);
  }
  if (regions.length === 0 && note.hidden) tell('This service holds no region yet: bin/geo2 region build makes one.');
  options.setRegions(regions);
  const container = byId('map', HTMLDivElement);
  map = await openMap(container, {
    regions,
    onTrouble: tell,
    onPick(point, rank) {
      if (options.wantsPoint()) options.setPoint(point);
      else {
        if (rank !== undefined) selectCandidate(rank);
        views?.lookAt(point);
      }
    },
  });
  // For the console, and for the tests, which ask the map what it has drawn.
  Object.assign(globalThis, { geo2: { map } });
  container.dataset.kind = map.kind;
  draw();
}

async function startViews() {
  if (!(await fetchMakesViews().catch(() => false))) return;
  views = openViews({ samples: () => allSamples, onTrouble: (error) => problemOf(error).message });
  byId('views', HTMLElement).hidden = false;
}

listen();
await Promise.all([startSamples(), startMap(), startViews()]);
