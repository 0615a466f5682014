/**
 * The service as the page sees it. Every answer that is no success becomes a `Problem`, whatever the cause.
 *
 * @typedef {{ id: string, version: string, bbox: number[], tileCount: number, attribution: string, licence: string,
 *   minZoom: number, maxZoom: number }} Region
 * @typedef {{ id: string, image: string, kind: 'panorama' | 'photo', headingDeg: number | null, fovDeg: number | null,
 *   lon: number | null, lat: number | null }} Sample
 * @typedef {{ type: 'Point', coordinates: number[] }} Point
 * @typedef {{ rank: number, location: Point, probability: number, similarity: number, tileId: string, bounds: number[],
 *   regionId: string, headingDeg?: number }} Candidate
 * @typedef {{ status: string, location?: Point, accuracy?: { radiusM: number, confidence: number },
 *   heading?: { deg: number, accuracyDeg: number }, probability: number, candidates: Candidate[],
 *   region?: { id: string, version: string, attribution?: string, capturedAt?: unknown },
 *   model: { name: string, version: string }, reasons: string[], timingMs: Record<string, number>, requestId?: string }} Answer
 * @typedef {{ headingDeg?: number, fovDeg?: number, topK?: number,
 *   prior?: { type: 'circle', center: number[], radiusM: number } }} Options
 */

/** What went wrong, as RFC 9457 tells it, or as the browser does when nothing was answered. */
export class Problem extends Error {
  /** @param {{ title: string, detail?: string, status?: number, code?: string, requestId?: string, retryable?: boolean,
   *   retryAfterS?: number, errors?: { detail: string, pointer?: string }[] }} told */
  constructor(told) {
    super(told.detail ?? told.title);
    this.title = told.title;
    this.detail = told.detail;
    this.status = told.status;
    this.code = told.code;
    this.requestId = told.requestId;
    this.retryable = told.retryable ?? false;
    this.retryAfterS = told.retryAfterS;
    this.errors = told.errors ?? [];
  }
}

/** @returns {Promise<Region[]>} */
export async function fetchRegions() {
  const { regions } = await json('/v1/regions');
  return regions.map((/** @type {any} */ region) => ({
    id: region.id,
    version: region.version,
    bbox: region.bbox,
    tileCount: region.tileCount,
    attribution: region.attribution ?? '',
    licence: region.licence ?? '',
    minZoom: region.imagery.minZoom,
    maxZoom: region.imagery.maxZoom,
  }));
}

/** @returns {Promise<Sample[]>} none where the service has no demo */
export async function fetchSamples() {
  const { samples } = await json('/demo/samples.json');
  return samples;
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
export async function fetchImage(url, signal) {
  const response = await send(url, { signal });
  return response.blob();
}

/**
 * @param {{ image: Blob, name: string, options: Options }} query
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>}
 */
export async function geolocate({ image, name, options }, signal) {
  const body = new FormData();
  body.set('image', image, name);
  body.set('options', JSON.stringify(options));
  const response = await send('/v1/geolocate', {
    method: 'POST',
    body,
    signal,
    headers: { accept: 'application/json' },
  });
  return response.json();
}

/** Whether the served model makes views. */
export async function fetchMakesViews() {
  const { models } = await json('/v2/health/ready');
  return models.some((/** @type {any} */ model) => model.makesViews);
}

/** The street at a place, as the model imagines it.
 * @param {{ place: readonly number[], headingDeg: number, fovDeg: number }} look */
export async function fetchPreview({ place: [lon = 0, lat = 0], headingDeg, fovDeg }) {
  const look = { lon: lon.toFixed(5), lat: lat.toFixed(5), heading: String(headingDeg), fov: String(fovDeg) };
  const response = await send(`/v1/previews/ground?${new URLSearchParams(look)}`, {});
  return response.blob();
}

/**
 * A photo from above, as the model imagines it.
 * @param {{ image: Blob, name: string, headingDeg?: number | undefined, fovDeg?: number | undefined }} photo
 * @param {AbortSignal} signal
 */
export async function synthesizeAerial({ image, name, headingDeg, fovDeg }, signal) {
  const body = new FormData();
  body.set('image', image, name);
  body.set('options', JSON.stringify({ direction: 'ground_to_satellite', headingDeg, fovDeg, widthPx: 256 }));
  const response = await send('/v1/synthesize', { method: 'POST', body, signal, headers: { accept: 'image/webp' } });
  return response.blob();
}

/**
 * The same request in a terminal.
 * @param {{ name: string, url?: string | undefined, options: Options }} query `url`: where the image is served, when it is a sample
 * @param {string} origin
 */
export function curlOf({ name, url, options }, origin) {
  const file = name.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  const source = url === undefined ? `@"${file}"` : `@-;filename="${file}"`;
  const download = url === undefined ? '' : `curl -sS ${quoted(new URL(url, origin).href)} |\n`;
  const lines = [
    `curl -sS ${quoted(`${origin}/v1/geolocate`)}`,
    `  -F ${quoted(`image=${source}`)}`,
    `  --form-string ${quoted(`options=${JSON.stringify(options)}`)}`,
  ];
  return `${download}${lines.join(' \\\n')}`;
}

/** For a POSIX shell.
 * @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {string} url */
async function json(url) {
  const response = await send(url, { headers: { accept: 'application/json' } });
  return response.json();
}

/**
 * @param {string} url
 * @param {RequestInit} init
 */
async function send(url, init) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new Problem({
      title: 'No answer',
      detail:
        'The service could not be reached, or it closed the connection before it had read the whole file. Is it running, and is the file an image of usual size?',
      retryable: true,
    });
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  const fallback = {
    title: `The service answered ${response.status} ${response.statusText}`.trim(),
    status: response.status,
  };
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterS = Number.isFinite(retryAfter) ? { retryAfterS: retryAfter } : {};
  const type = response.headers.get('content-type') ?? '';
  const told = type.includes('json') ? await response.json().catch(() => undefined) : undefined;
  if (typeof told?.title !== 'string') return new Problem({ ...fallback, ...retryAfterS });
  return new Problem({ ...fallback, ...told, ...retryAfterS });
}
