import { make } from './dom.js';
import { headingWords } from './words.js';

/** @typedef {import('./api.js').Sample} Sample */

/**
 * The list of thumbnails: one stop for the Tab key, arrows move inside, Enter or Space picks.
 * @param {HTMLElement} list
 * @param {(sample: Sample) => void} onPick
 */
export function sampleList(list, onPick) {
  /** @type {{ sample: Sample, option: HTMLElement }[]} */
  let shown = [];
  /** @type {string | undefined} */
  let pickedId;

  list.addEventListener('click', (event) => {
    const entry = shown.find(({ option }) => event.target instanceof Node && option.contains(event.target));
    if (entry) pick(entry);
  });
  list.addEventListener('keydown', (event) => {
    const at = shown.findIndex(({ option }) => option === document.activeElement);
    const entry = shown[at];
    if (entry && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      pick(entry);
      return;
    }
    const next = neighbourOf(at, event.key);
    if (next === undefined) return;
    event.preventDefault();
    rove(Math.max(0, Math.min(shown.length - 1, next)));
  });

  /**
   * @param {number} at
   * @param {string} key
   */
  function neighbourOf(at, key) {
    const top = (/** @type {number} */ i) => shown[i]?.option.offsetTop;
    const columns = Math.max(1, shown.filter((_, i) => top(i) === top(0)).length);
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + columns, ArrowUp: at - columns };
    if (key === 'Home') return 0;
    return key === 'End' ? shown.length - 1 : moves[key];
  }

  /** @param {number} to */
  function rove(to) {
    shown.forEach(({ option }, i) => {
      option.tabIndex = i === to ? 0 : -1;
    });
    shown[to]?.option.focus();
  }

  /** @param {{ sample: Sample, option: HTMLElement }} entry */
  function pick(entry) {
    rove(shown.indexOf(entry));
    mark(entry.sample.id);
    onPick(entry.sample);
  }

  /** @param {string | undefined} id */
  function mark(id) {
    pickedId = id;
    for (const { sample, option } of shown) option.setAttribute('aria-selected', String(sample.id === id));
  }

  return {
    /** @param {readonly Sample[]} samples */
    show(samples) {
      shown = samples.map((sample) => ({ sample, option: thumbnailOf(sample) }));
      const first = Math.max(
        0,
        shown.findIndex(({ sample }) => sample.id === pickedId),
      );
      shown.forEach(({ option }, i) => {
        option.tabIndex = i === first ? 0 : -1;
      });
      list.replaceChildren(...shown.map(({ option }) => option));
      mark(pickedId);
    },
    clear() {
      mark(undefined);
    },
  };
}

/** @param {Sample} sample */
export function sampleWords({ id, kind, fovDeg, headingDeg }) {
  const what = kind === 'panorama' ? 'Panorama' : `Photo${fovDeg === null ? '' : ` of ${Math.round(fovDeg)}°`}`;
  return headingDeg === null ? `${what} ${id}` : `${what} ${id}, looking ${headingWords(headingDeg)}`;
}

/** @param {Sample} sample */
function thumbnailOf(sample) {
  const image = make('img', { src: sample.image, alt: '', loading: 'lazy', decoding: 'async', draggable: 'false' });
  return make(
    'div',
    {
      role: 'option',
      class: `sample ${sample.kind}`,
      'data-id': sample.id,
      'aria-label': sampleWords(sample),
      title: sample.id,
    },
    image,
  );
}
