/**
 * The map: MapLibre where the browser has WebGL, else a static one with the same imagery and shapes.
 *
 * @typedef {{ regions: import('./api.js').Region[], onPick: (point: number[], rank: number | undefined) => void,
 *   onTrouble: (message: string) => void }} MapOptions `onPick`: a click, and the candidate's tile under it
 * @typedef {{ kind: 'maplibre' | 'static', native?: unknown, draw: (shapes: import('./scene.js').Shape[]) => void,
 *   fit: (bbox: readonly number[], options?: { closest?: number }) => void }} PageMap
 */
import { openStaticMap } from './map-static.js';
import { attributionsOf, regionsBbox, WORLD_BBOX } from './regions.js';

const MAPLIBRE = '/assets/maplibre/maplibre-gl.mjs';
const FIT_PADDING_PX = 48;
/** Imagery may be magnified by 2^this. */
const OVERZOOM = 3;
const FALLBACK = 'This browser has no WebGL: a static map is shown.';

/**
 * @param {HTMLElement} container
 * @param {MapOptions} options
 * @returns {Promise<PageMap>}
 */
export async function openMap(container, options) {
  try {
    return await openMapLibre(container, options);
  } catch (cause) {
    container.replaceChildren();
    container.className = 'map';
    options.onTrouble(
      hasWebGl() ? `The map library did not start (${messageOf(cause)}): a static map is shown.` : FALLBACK,
    );
    return openStaticMap(container, options);
  }
}

/**
 * @param {HTMLElement} container
 * @param {MapOptions} options
 * @returns {Promise<PageMap>}
 */
async function openMapLibre(container, { regions, onPick, onTrouble }) {
  if (!hasWebGl()) throw new Error(FALLBACK);
  /** @type {typeof import('maplibre-gl')} */
  const maplibre = await import(MAPLIBRE);
  const colours = coloursOf(container);
  const map = new maplibre.Map({
    container,
    style: styleOf(regions, colours),
    bounds: regionsBbox(regions) ?? WORLD_BBOX,
    fitBoundsOptions: { padding: 16 },
    maxZoom: Math.max(...regions.map((region) => region.maxZoom), 1) + OVERZOOM,
    maxPitch: 0,
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    renderWorldCopies: false,
    fadeDuration: 0,
    cooperativeGestures: matchMedia('(max-width: 760px)').matches,
    attributionControl: false,
    canvasContextAttributes: { antialias: true, preserveDrawingBuffer: false },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), 'top-right');
  map.addControl(new maplibre.ScaleControl({ maxWidth: 120 }), 'bottom-left');
  map.addControl(
    new maplibre.AttributionControl({ compact: false, customAttribution: attributionsOf(regions).map(escaped) }),
  );
  map.on('error', ({ error }) => onTrouble(`Some of the map could not be loaded: ${error.message}`));
  map.on('click', (event) => {
    const tile = map.queryRenderedFeatures(event.point, { layers: ['tile'] })[0];
    const rank = tile?.properties.rank;
    onPick([event.lngLat.lng, event.lngLat.lat], typeof rank === 'number' ? rank : undefined);
  });
  const canvas = map.getCanvas();
  canvas.setAttribute('aria-label', 'Map of the imagery. Arrow keys move it, plus and minus zoom.');

  const ready = map.once('style.load');
  /** @type {import('maplibre-gl').Marker[]} */
  let labels = [];
  let drawn = 0;
  return {
    kind: 'maplibre',
    native: map,
    async draw(shapes) {
      const turn = ++drawn;
      await ready;
      if (turn !== drawn) return; // a newer scene is waiting
      const source = map.getSource('scene');
      if (source instanceof maplibre.GeoJSONSource) source.setData({ type: 'FeatureCollection', features: shapes });
      for (const label of labels) label.remove();
      labels = shapes.flatMap((shape) => {
        const corner = labelCornerOf(shape);
        if (corner === undefined) return [];
        const [lon = 0, lat = 0] = corner;
        return [new maplibre.Marker({ element: labelOf(shape), anchor: 'top-left' }).setLngLat([lon, lat]).addTo(map)];
      });
    },
    fit([west = 0, south = 0, east = 0, north = 0], { closest } = {}) {
      map.fitBounds([west, south, east, north], {
        padding: FIT_PADDING_PX,
        maxZoom: closest ?? Math.max(...regions.map((region) => region.maxZoom)),
        duration: matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 700,
      });
    },
  };
}

/**
 * @param {import('./api.js').Region[]} regions
 * @param {Record<Colour, string>} colours
 * @returns {import('maplibre-gl').StyleSpecification}
 */
function styleOf(regions, colours) {
  /** @type {Record<string, import('maplibre-gl').SourceSpecification>} */
  const sources = { scene: { type: 'geojson', data: { type: 'FeatureCollection', features: [] }, tolerance: 0 } };
  /** @type {import('maplibre-gl').LayerSpecification[]} */
  const imagery = regions.map(({ id, bbox, minZoom, maxZoom }) => {
    const [west = 0, south = 0, east = 0, north = 0] = bbox;
    const tiles = [
      new URL(`/v1/regions/${encodeURIComponent(id)}/imagery/`, location.origin).href.concat('{z}/{x}/{y}'),
    ];
    sources[id] = {
      type: 'raster',
      tiles,
      tileSize: 256,
      minzoom: minZoom,
      maxzoom: maxZoom,
      bounds: [west, south, east, north],
    };
    return { id: `imagery-${id}`, type: 'raster', source: id };
  });
  /** @type {import('maplibre-gl').LineLayerSpecification['layout']} */
  const round = { 'line-cap': 'round', 'line-join': 'round' };
  return {
    version: 8,
    sources,
    layers: [
      { id: 'ground', type: 'background', paint: { 'background-color': colours.ground } },
      ...imagery,
      line('region', { 'line-color': colours.casing, 'line-width': 1.5, 'line-opacity': 0.8 }),
      line('prior-casing', { 'line-color': '#000000', 'line-width': 3, 'line-opacity': 0.5 }, 'prior'),
      line('prior', { 'line-color': colours.prior, 'line-width': 2, 'line-dasharray': [3, 2] }),
      fill('tile', {
        'fill-color': colours.tile,
        'fill-opacity': ['case', ['to-boolean', ['get', 'selected']], 0.16, 0.06],
      }),
      line('tile-casing', { 'line-color': '#000000', 'line-width': 4, 'line-opacity': 0.35 }, 'tile'),
      line(
        'tile-line',
        { 'line-color': colours.tile, 'line-width': ['case', ['to-boolean', ['get', 'selected']], 3.5, 1.5] },
        'tile',
      ),
      fill('heading', { 'fill-color': colours.heading, 'fill-opacity': 0.5 }),
      line('heading-line', { 'line-color': colours.casing, 'line-width': 1.5, 'line-opacity': 0.9 }, 'heading'),
      fill('accuracy', { 'fill-color': colours.location, 'fill-opacity': 0.28 }),
      line('accuracy-casing', { 'line-color': colours.casing, 'line-width': 4, 'line-opacity': 0.8 }, 'accuracy'),
      line('accuracy-line', { 'line-color': colours.location, 'line-width': 2 }, 'accuracy'),
      {
        ...line('error-casing', { 'line-color': '#000000', 'line-width': 4, 'line-opacity': 0.5 }, 'error'),
        layout: round,
      },
      { ...line('error', { 'line-color': colours.truth, 'line-width': 2 }), layout: round },
      point('truth', colours.truth, colours.casing, 6),
      point('location', colours.location, colours.casing, 7),
    ],
  };
}

/**
 * @param {string} id
 * @param {NonNullable<import('maplibre-gl').LineLayerSpecification['paint']>} paint
 * @returns {import('maplibre-gl').LineLayerSpecification}
 */
function line(id, paint, role = id) {
  return { id, type: 'line', source: 'scene', filter: ['==', ['get', 'role'], role], paint };
}

/**
 * @param {string} role
 * @param {NonNullable<import('maplibre-gl').FillLayerSpecification['paint']>} paint
 * @returns {import('maplibre-gl').FillLayerSpecification}
 */
function fill(role, paint) {
  return { id: role, type: 'fill', source: 'scene', filter: ['==', ['get', 'role'], role], paint };
}

/**
 * @param {string} role
 * @param {string} colour
 * @param {string} casing
 * @param {number} radiusPx
 * @returns {import('maplibre-gl').CircleLayerSpecification}
 */
function point(role, colour, casing, radiusPx) {
  return {
    id: role,
    type: 'circle',
    source: 'scene',
    filter: ['==', ['get', 'role'], role],
    paint: {
      'circle-radius': radiusPx,
      'circle-color': colour,
      'circle-stroke-color': casing,
      'circle-stroke-width': 2.5,
    },
  };
}

/** @typedef {'ground' | 'casing' | 'location' | 'heading' | 'tile' | 'prior' | 'truth'} Colour */

/**
 * The map's colours are the style sheet's, so that legend, shapes and static map agree.
 * @param {HTMLElement} container
 * @returns {Record<Colour, string>}
 */
function coloursOf(container) {
  const style = getComputedStyle(container);
  const colour = (/** @type {Colour} */ name) => style.getPropertyValue(`--map-${name}`).trim();
  return {
    ground: colour('ground'),
    casing: colour('casing'),
    location: colour('location'),
    heading: colour('heading'),
    tile: colour('tile'),
    prior: colour('prior'),
    truth: colour('truth'),
  };
}

/**
 * The north-west corner of a candidate's tile, where its rank is written.
 * @param {import('./scene.js').Shape} shape
 */
function labelCornerOf({ properties, geometry }) {
  return properties.rank === undefined || geometry.type !== 'Polygon' ? undefined : geometry.coordinates[0]?.[3];
}

/** @param {import('./scene.js').Shape} shape */
function labelOf({ properties }) {
  const element = document.createElement('span');
  element.className = properties.selected ? 'rank-label selected' : 'rank-label';
  element.textContent = String(properties.rank);
  element.setAttribute('aria-hidden', 'true'); // the list of candidates says it
  return element;
}

function hasWebGl() {
  try {
    return document.createElement('canvas').getContext('webgl2') !== null;
  } catch {
    return false;
  }
}

/** MapLibre reads attributions as HTML; ours are text.
 * @param {string} text */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** @param {unknown} cause */
function messageOf(cause) {
  return cause instanceof Error ? cause.message : String(cause);
}
