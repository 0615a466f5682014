/** What the service answers, said to a person. */

/** @type {Record<string, { title: string, meaning: string }>} */
const STATUSES = {
  matched: { title: 'Found', meaning: 'The photo matches one place in the imagery.' },
  ambiguous: {
    title: 'Several places fit',
    meaning: 'More than one place looks like this photo; the likeliest is shown.',
  },
  no_match: {
    title: 'Not found here',
    meaning: 'Nothing in the searched imagery resembles this photo enough. It was probably taken elsewhere.',
  },
  out_of_coverage: {
    title: 'Outside the covered area',
    meaning: 'The area given as prior knowledge touches no region that this service holds.',
  },
};

/** @param {string} status */
export function statusWords(status) {
  return STATUSES[status] ?? { title: status.replaceAll('_', ' '), meaning: '' };
}

/** @type {Record<string, string>} */
const REASONS = {
  assumed_fov: 'The image does not say how wide it sees; a usual field of view was assumed.',
  blurry: 'The photo is blurry: fine structure is lost.',
  dark: 'The photo is very dark.',
  overexposed: 'Most of the photo is overexposed.',
  narrow_fov: 'The field of view is narrower than the model was trained for.',
  sky_or_ground_only: 'The photo shows little besides sky or ground.',
  several_places: 'Another place fits nearly as well.',
  weak_match: 'No place stands out clearly.',
  heading_needed: 'The map holds one orientation only: say which way the photo looks.',
  heading_conflict: 'The heading that was given does not agree with what the photo shows.',
  default_calibration:
    'Probability and radius are the model’s defaults: nobody has calibrated this region with photos of its own.',
};

/** A reason this page does not know is still shown, as words.
 * @param {string} reason */
export function reasonWords(reason) {
  return REASONS[reason] ?? `${reason.replaceAll('_', ' ')}.`;
}

/**
 * 8 m, 140 m, 2.3 km.
 * @param {number} metres
 */
export function lengthWords(metres) {
  if (metres < 9.95) return `${metres.toFixed(1)} m`;
  if (metres < 1000) return `${Math.round(metres)} m`;
  return `${(metres / 1000).toFixed(metres < 9950 ? 1 : 0)} km`;
}

/** @param {number} share 0..1 */
export function percentWords(share) {
  if (share > 0 && share < 0.01) return '< 1 %';
  if (share < 1 && share > 0.99) return '> 99 %';
  return `${Math.round(share * 100)} %`;
}

const POINTS = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'];

/**
 * 90 -> "90° E".
 * @param {number} headingDeg clockwise from north
 */
export function headingWords(headingDeg) {
  const wrapped = ((Math.round(headingDeg) % 360) + 360) % 360;
  return `${wrapped}° ${POINTS[Math.round(wrapped / 45) % 8]}`;
}

/**
 * Six decimals are a tenth of a metre.
 * @param {readonly number[]} point [lon, lat] in degrees
 */
export function pointWords([lon = 0, lat = 0]) {
  const latitude = `${Math.abs(lat).toFixed(6)}° ${lat < 0 ? 'S' : 'N'}`;
  return `${latitude}, ${Math.abs(lon).toFixed(6)}° ${lon < 0 ? 'W' : 'E'}`;
}

/** @param {number} ms */
export function millisecondsWords(ms) {
  return ms < 9.95 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
