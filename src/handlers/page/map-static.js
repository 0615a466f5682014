import { fromWorldPx, TILE_PX, toWorldPx } from './geo.js';
import { attributionsOf, regionsBbox, WORLD_BBOX } from './regions.js';

const SVG = 'http://www.w3.org/2000/svg';
const FIT_PADDING_PX = 40;
const OVERZOOM = 3;
const MAX_TILES = 256;
/** Painted in this order. */
const ORDER = ['region', 'prior', 'tile', 'heading', 'accuracy', 'error', 'truth', 'location'];

/**
 * A map without WebGL: imagery tiles as images, shapes as SVG, buttons for the zoom. A click picks a point.
 * @param {HTMLElement} container
 * @param {import('./map.js').MapOptions} options
 * @returns {import('./map.js').PageMap}
 */
export function openStaticMap(container, { regions, onPick }) {
  const [tiles, drawing] = [layer('div', 'static-tiles'), document.createElementNS(SVG, 'svg')];
  drawing.setAttribute('class', 'static-shapes');
  drawing.setAttribute('role', 'img');
  drawing.setAttribute('aria-label', 'Static map of the imagery');
  const attribution = layer('div', 'static-attribution');
  attribution.textContent = attributionsOf(regions).join(' | ');
  container.classList.add('static');
  container.replaceChildren(tiles, drawing, zoomButtons(), attribution);

  const highestZoom = Math.max(...regions.map((region) => region.maxZoom), 1);
  const whole = regionsBbox(regions) ?? WORLD_BBOX;
  /** @type {import('./scene.js').Shape[]} */
  let shapes = [];
  let view = viewOf(whole, highestZoom);
  new ResizeObserver(paint).observe(container);
  drawing.addEventListener('click', (event) => {
    const box = drawing.getBoundingClientRect();
    const [left = 0, top = 0] = originPx();
    const point = fromWorldPx([left + event.clientX - box.left, top + event.clientY - box.top], view.zoom);
    const rank = event.target instanceof Element ? event.target.getAttribute('data-rank') : null;
    onPick(point, rank === null ? undefined : Number(rank));
  });

  /**
   * @param {readonly number[]} bbox
   * @param {number} closest
   */
  function viewOf([west = 0, south = 0, east = 0, north = 0], closest) {
    const [left, top] = toWorldPx([west, north], 0);
    const [right, bottom] = toWorldPx([east, south], 0);
    const roomX = Math.max(64, container.clientWidth - 2 * FIT_PADDING_PX) / Math.max(right - left, 1e-9);
    const roomY = Math.max(64, container.clientHeight - 2 * FIT_PADDING_PX) / Math.max(bottom - top, 1e-9);
    const zoom = Math.max(0, Math.min(closest, Math.floor(Math.log2(Math.min(roomX, roomY)))));
    return { zoom, centre: fromWorldPx([(left + right) / 2, (top + bottom) / 2], 0) };
  }

  /** World pixel of the container's upper left corner. */
  function originPx() {
    const [x, y] = toWorldPx(view.centre, view.zoom);
    return [Math.round(x - container.clientWidth / 2), Math.round(y - container.clientHeight / 2)];
  }

  function paint() {
    tiles.replaceChildren(...regions.flatMap(imagesOf));
    drawing.replaceChildren(
      ...[...shapes]
        .sort((a, b) => ORDER.indexOf(a.properties.role) - ORDER.indexOf(b.properties.role))
        .flatMap((shape) => drawingOf(shape)),
    );
  }

  /** @param {import('./api.js').Region} region */
  function imagesOf({ id, bbox, minZoom, maxZoom }) {
    const zoom = Math.min(view.zoom, maxZoom);
    if (zoom < minZoom) return [];
    const sidePx = TILE_PX * 2 ** (view.zoom - zoom);
    const [left = 0, top = 0] = originPx();
    const [west = 0, south = 0, east = 0, north = 0] = bbox;
    const [fromX, fromY] = toWorldPx([west, north], view.zoom);
    const [toX, toY] = toWorldPx([east, south], view.zoom);
    const first = { x: Math.floor(Math.max(left, fromX) / sidePx), y: Math.floor(Math.max(top, fromY) / sidePx) };
    const last = {
      x: Math.ceil(Math.min(left + container.clientWidth, toX) / sidePx) - 1,
      y: Math.ceil(Math.min(top + container.clientHeight, toY) / sidePx) - 1,
    };
    /** @type {HTMLImageElement[]} */
    const images = [];
    for (let y = first.y; y <= last.y; y++) {
      for (let x = first.x; x <= last.x && images.length < MAX_TILES; x++) {
        const image = new Image(sidePx, sidePx);
        image.alt = '';
        image.decoding = 'async';
        image.style.transform = `translate(${x * sidePx - left}px, ${y * sidePx - top}px)`;
        image.src = `/v1/regions/${encodeURIComponent(id)}/imagery/${zoom}/${x}/${y}`;
        images.push(image);
      }
    }
    return images;
  }

  /** @param {import('./scene.js').Shape} shape */
  function drawingOf({ properties, geometry }) {
    const [left = 0, top = 0] = originPx();
    const project = (/** @type {number[]} */ point) => {
      const [x, y] = toWorldPx(point, view.zoom);
      return [(x - left).toFixed(1), (y - top).toFixed(1)];
    };
    const classes = `shape-${properties.role}${properties.selected ? ' selected' : ''}`;
    if (geometry.type === 'Point') {
      const [cx = '0', cy = '0'] = project(geometry.coordinates);
      return [svg('circle', { cx, cy, r: '7', class: classes })];
    }
    const points = geometry.type === 'LineString' ? geometry.coordinates : (geometry.coordinates[0] ?? []);
    const path = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${project(point).join(' ')}`).join('');
    const d = geometry.type === 'Polygon' ? `${path}Z` : path;
    const drawn = [svg('path', { d, class: `${classes} casing` }), svg('path', { d, class: classes })];
    if (properties.rank === undefined) return drawn;
    for (const element of drawn) element.setAttribute('data-rank', String(properties.rank));
    const [x, y] = project(points[3] ?? [0, 0]);
    const label = svg('text', { x: String(Number(x) + 5), y: String(Number(y) + 15), class: 'shape-rank' });
    label.textContent = String(properties.rank);
    return [...drawn, label];
  }

  function zoomButtons() {
    const box = layer('div', 'static-zoom');
    const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ act) => {
      const element = document.createElement('button');
      element.type = 'button';
      element.textContent = text;
      element.setAttribute('aria-label', label);
      element.addEventListener('click', () => {
        act();
        paint();
      });
      return element;
    };
    const zoomBy = (/** @type {number} */ step) => {
      view = { ...view, zoom: Math.max(0, Math.min(highestZoom + OVERZOOM, view.zoom + step)) };
    };
    box.append(
      button('+', 'Zoom in', () => zoomBy(1)),
      button('−', 'Zoom out', () => zoomBy(-1)),
      button('⤢', 'Show the whole region', () => {
        view = viewOf(whole, highestZoom);
      }),
    );
    return box;
  }

  return {
    kind: 'static',
    draw(next) {
      shapes = next;
      paint();
    },
    fit(bbox, { closest } = {}) {
      view = viewOf(bbox, closest ?? highestZoom);
      paint();
    },
  };
}

/**
 * @param {string} name
 * @param {string} className
 */
function layer(name, className) {
  const element = document.createElement(name);
  element.className = className;
  return element;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 */
function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
