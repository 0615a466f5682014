/**
 * Views that the model makes: the street at a point of the map, and a photo from above. Hidden where the served model makes none.
 */
import { fetchPreview, synthesizeAerial } from './api.js';
import { byId } from './dom.js';
import { distanceM } from './geo.js';
import { headingWords } from './words.js';

/** A rendered panorama is the truth beside a street that is this near. */
const NEAR_M = 20;
const FOV_DEG = 90;
/** Degrees that a drag across the picture turns: what it shows. */
const DRAG_DEG = FOV_DEG;

/**
 * @param {{ samples: () => readonly import('./api.js').Sample[], onTrouble: (error: unknown) => string }} options
 */
export function openViews({ samples, onTrouble }) {
  const section = byId('views', HTMLElement);
  const street = byId('street', HTMLImageElement);
  const truth = byId('street-truth', HTMLDivElement);
  const heading = byId('street-heading', HTMLInputElement);
  const note = byId('street-note', HTMLElement);
  const aerial = byId('aerial', HTMLImageElement);
  const aerialNote = byId('aerial-note', HTMLElement);
  /** @type {readonly number[] | undefined} */
  let place;
  /** @type {string | undefined} */
  let shown;
  let isLoading = false;
  /** @type {AbortController | undefined} */
  let making;

  heading.addEventListener('input', turn);
  for (const picture of [street, truth]) {
    picture.addEventListener('pointerdown', (event) => picture.setPointerCapture(event.pointerId));
    picture.addEventListener('pointermove', (event) => {
      if (!picture.hasPointerCapture(event.pointerId)) return;
      turnTo(heading.valueAsNumber - (event.movementX / picture.clientWidth) * DRAG_DEG);
    });
  }

  /** @param {number} deg */
  function turnTo(deg) {
    heading.value = String((((Math.round(deg) % 360) + 360) % 360) % 360);
    turn();
  }

  function turn() {
    byId('street-words', HTMLOutputElement).value = headingWords(heading.valueAsNumber);
    showTruth();
    void load();
  }

  /** One picture at a time; whatever was asked for meanwhile, the last is next. */
  async function load() {
    if (place === undefined || isLoading) return;
    isLoading = true;
    section.setAttribute('aria-busy', 'true');
    try {
      for (let wanted = key(); wanted !== shown; wanted = key()) {
        shown = wanted;
        const picture = await fetchPreview({ place, headingDeg: heading.valueAsNumber, fovDeg: FOV_DEG });
        show(street, picture);
        note.textContent = `The street as the model imagines it at ${place.map((deg) => deg.toFixed(5)).join(', ')}.`;
      }
    } catch (error) {
      street.hidden = true;
      note.textContent = onTrouble(error);
    } finally {
      isLoading = false;
      section.removeAttribute('aria-busy');
    }
  }

  function key() {
    return `${place?.join()} ${heading.value}`;
  }

  /** The panorama that was rendered nearest, turned to the same direction. */
  function showTruth() {
    const near = nearestPanorama();
    byId('street-truth-figure', HTMLElement).hidden = near === undefined;
    if (near === undefined || near.headingDeg === null) return;
    const widthPx = truth.clientWidth;
    const wholePx = (widthPx * 360) / FOV_DEG;
    const middlePx = ((heading.valueAsNumber - near.headingDeg) / 360 + 0.5) * wholePx;
    truth.style.backgroundImage = `url("${near.image}")`;
    truth.style.backgroundSize = `${wholePx}px auto`;
    truth.style.backgroundPosition = `${widthPx / 2 - middlePx}px center`;
    truth.dataset.sample = near.id;
  }

  function nearestPanorama() {
    const at = place;
    if (at === undefined) return undefined;
    const away = (/** @type {import('./api.js').Sample} */ { lon, lat }) =>
      lon === null || lat === null ? Number.POSITIVE_INFINITY : distanceM(at, [lon, lat]);
    const [nearest] = samples()
      .filter(({ kind, headingDeg }) => kind === 'panorama' && headingDeg !== null)
      .sort((a, b) => away(a) - away(b));
    return nearest !== undefined && away(nearest) <= NEAR_M ? nearest : undefined;
  }

  return {
    /** @param {readonly number[]} point */
    lookAt(point) {
      place = point;
      byId('street-figures', HTMLElement).hidden = false;
      turn();
    },

    /**
     * What a photo shows, from above.
     * @param {{ image: Blob, name: string, headingDeg?: number | undefined, fovDeg?: number | undefined }} photo
     */
    async lookDown(photo) {
      making?.abort();
      const controller = new AbortController();
      making = controller;
      aerial.hidden = true;
      byId('aerial-figure', HTMLElement).hidden = false;
      aerialNote.textContent = 'Imagining the photo from above …';
      try {
        const picture = await synthesizeAerial(photo, controller.signal);
        show(aerial, picture);
        aerialNote.textContent = `The photo from above, as the model imagines it: ${photo.headingDeg === undefined ? 'the photo’s middle' : 'north'} is up.`;
      } catch (error) {
        if (!controller.signal.aborted) aerialNote.textContent = onTrouble(error);
      }
    },
  };
}

/**
 * @param {HTMLImageElement} image
 * @param {Blob} picture
 */
function show(image, picture) {
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
  image.hidden = false;
}
