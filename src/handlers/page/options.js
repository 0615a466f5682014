import { byId } from './dom.js';
import { headingWords } from './words.js';

/**
 * The form's part below the samples: what the person knows about the photo.
 * @param {HTMLFormElement} form
 * @param {() => void} onChange
 */
export function optionsForm(form, onChange) {
  const heading = byId('heading-deg', HTMLInputElement);
  const fov = byId('fov-deg', HTMLInputElement);
  const lon = byId('prior-lon', HTMLInputElement);
  const lat = byId('prior-lat', HTMLInputElement);
  const radius = byId('prior-radius', HTMLInputElement);
  const region = byId('region', HTMLSelectElement);
  form.addEventListener('input', refresh);
  form.addEventListener('change', refresh);
  for (const radio of form.querySelectorAll('[name="prior"]')) {
    radio.addEventListener('click', () => form.querySelector('.circle')?.scrollIntoView({ block: 'nearest' }));
  }
  refresh();

  function refresh() {
    byId('heading-words', HTMLOutputElement).value = headingWords(heading.valueAsNumber);
    byId('fov-words', HTMLOutputElement).value = `${fov.value}°${fov.valueAsNumber > 150 ? ' panorama' : ''}`;
    for (const part of form.querySelectorAll('[data-for]')) {
      const [name = '', value] = part.getAttribute('data-for')?.split(':') ?? [];
      const asked = choice(name) === value;
      part.toggleAttribute('hidden', !asked);
      for (const input of part.querySelectorAll('input')) input.disabled = !asked;
    }
    onChange();
  }

  /** @param {string} name */
  function choice(name) {
    return new FormData(form).get(name);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  function choose(name, value) {
    const radio = form.elements.namedItem(name);
    if (radio instanceof RadioNodeList) radio.value = value;
  }

  function prior() {
    const [atLon, atLat, radiusM] = [lon.valueAsNumber, lat.valueAsNumber, radius.valueAsNumber];
    if (choice('prior') !== 'circle' || ![atLon, atLat, radiusM].every(Number.isFinite)) return undefined;
    return { center: [atLon, atLat], radiusM };
  }

  return {
    /** The circle, once it is complete. */
    prior,
    wantsPoint: () => choice('prior') === 'circle',
    /** @returns {import('./api.js').Options} */
    read() {
      const circle = prior();
      return {
        ...(choice('heading') === 'known' ? { headingDeg: heading.valueAsNumber } : {}),
        ...(choice('fov') === 'known' ? { fovDeg: fov.valueAsNumber } : {}),
        ...(circle ? { prior: { type: 'circle', ...circle } } : {}),
        ...(region.value === '' ? {} : { regions: [region.value] }),
      };
    },
    /** Says in the browser's own words what is missing. */
    valid: () => form.reportValidity(),
    /** @param {readonly number[]} point */
    setPoint([atLon = 0, atLat = 0]) {
      lon.value = atLon.toFixed(6);
      lat.value = atLat.toFixed(6);
      refresh();
    },
    /**
     * What comes with the photo replaces what was known of the one before.
     * @param {{ headingDeg?: number | null, fovDeg?: number | null }} known
     */
    setKnown({ headingDeg, fovDeg }) {
      choose('heading', typeof headingDeg === 'number' ? 'known' : 'unknown');
      choose('fov', typeof fovDeg === 'number' ? 'known' : 'auto');
      if (typeof headingDeg === 'number') heading.value = String(Math.round(headingDeg) % 360);
      if (typeof fovDeg === 'number') fov.value = String(Math.round(fovDeg));
      refresh();
    },
    /** @param {readonly import('./api.js').Region[]} regions */
    setRegions(regions) {
      byId('region-field', HTMLFieldSetElement).hidden = regions.length < 2;
      region.append(...regions.map(({ id }) => new Option(id, id)));
    },
  };
}
