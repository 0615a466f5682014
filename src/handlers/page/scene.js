/**
 * What the map shows, as one list of shapes that both maps draw: MapLibre's and the static one. A shape's `role` decides
 * how it looks.
 *
 * @typedef {'region' | 'prior' | 'tile' | 'accuracy' | 'heading' | 'error' | 'location' | 'truth'} Role
 * @typedef {{ type: 'Feature', properties: { role: Role, rank?: number, selected?: boolean },
 *   geometry: { type: 'Polygon', coordinates: number[][][] } | { type: 'LineString', coordinates: number[][] } |
 *     { type: 'Point', coordinates: number[] } }} Shape
 */
import { bboxOf, bboxRing, circleRing, sectorRing } from './geo.js';

/** The cone is as long as this, or as the accuracy circle is wide when that is longer. */
const HEADING_LENGTH_M = 45;
/** Narrower than this it would be invisible. */
const HEADING_MIN_HALF_ANGLE_DEG = 4;

/**
 * @param {{ regions: import('./api.js').Region[], answer?: import('./api.js').Answer | undefined, selectedRank?: number | undefined,
 *   prior?: { center: number[], radiusM: number } | undefined, truth?: number[] | undefined }} state
 * @returns {Shape[]}
 */
export function sceneOf({ regions, answer, selectedRank, prior, truth }) {
  const shapes = regions.map(({ bbox }) => polygon('region', bboxRing(bbox)));
  if (prior) shapes.push(polygon('prior', circleRing(prior.center, prior.radiusM)));
  for (const { rank, bounds } of [...(answer?.candidates ?? [])].reverse()) {
    shapes.push(polygon('tile', bboxRing(bounds), { rank, selected: rank === selectedRank }));
  }
  const at = answer?.location?.coordinates;
  if (at && answer?.accuracy) shapes.push(polygon('accuracy', circleRing(at, answer.accuracy.radiusM)));
  if (at && answer?.heading) shapes.push(polygon('heading', headingRing(at, answer.heading, answer.accuracy?.radiusM)));
  if (at && truth) shapes.push(feature('error', { type: 'LineString', coordinates: [[...at], [...truth]] }));
  if (truth) shapes.push(feature('truth', { type: 'Point', coordinates: [...truth] }));
  if (at) shapes.push(feature('location', { type: 'Point', coordinates: [...at] }));
  return shapes;
}

/**
 * The bbox that shows everything an answer says; undefined when there is nothing but the regions.
 * @param {readonly Shape[]} shapes
 */
export function extentOf(shapes) {
  return bboxOf(shapes.filter(({ properties }) => properties.role !== 'region').flatMap(pointsOf));
}

/**
 * @param {Shape} shape
 * @returns {number[][]}
 */
function pointsOf({ geometry }) {
  if (geometry.type === 'Point') return [geometry.coordinates];
  return geometry.type === 'LineString' ? geometry.coordinates : geometry.coordinates.flat();
}

/**
 * @param {number[]} at
 * @param {{ deg: number, accuracyDeg: number }} heading
 */
function headingRing(at, heading, radiusM = 0) {
  const halfAngleDeg = Math.min(170, Math.max(HEADING_MIN_HALF_ANGLE_DEG, heading.accuracyDeg));
  return sectorRing(at, { azimuthDeg: heading.deg, halfAngleDeg, radiusM: Math.max(HEADING_LENGTH_M, radiusM) });
}

/**
 * @param {Role} role
 * @param {number[][]} ring
 * @param {{ rank?: number, selected?: boolean }} [properties]
 * @returns {Shape}
 */
function polygon(role, ring, properties = {}) {
  return feature(role, { type: 'Polygon', coordinates: [ring] }, properties);
}

/**
 * @param {Role} role
 * @param {Shape['geometry']} geometry
 * @param {{ rank?: number, selected?: boolean }} [properties]
 * @returns {Shape}
 */
function feature(role, geometry, properties = {}) {
  return { type: 'Feature', properties: { role, ...properties }, geometry };
}
