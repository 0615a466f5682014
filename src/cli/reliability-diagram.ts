import type { StatedAnswer } from '../core/retrieval/calibrate.ts';

const SIDE_PX = 320;
const MARGIN_PX = 56;
const BINS = 10;

interface Bin {
  readonly count: number;
  readonly stated: number;
  readonly right: number;
}

/** A reliability diagram as SVG: of answers that say about so much, the share that is right; the area of a dot is their number. */
export function reliabilityDiagram(answers: readonly StatedAnswer[], title: string): string {
  const bins = binsOf(answers);
  const most = Math.max(1, ...bins.map(({ count }) => count));
  const at = (share: number): number => Math.round(share * SIDE_PX * 10) / 10;
  const dots = bins.map(({ count, stated, right }) => {
    const radius = (4 + 8 * Math.sqrt(count / most)).toFixed(1);
    const text = `${count} answers: ${percent(stated)} stated, ${percent(right)} right`;
    return `<circle cx="${at(stated)}" cy="${at(1 - right)}" r="${radius}" fill="#0b6" fill-opacity="0.7"><title>${text}</title></circle>`;
  });
  const line = bins.map(({ stated, right }) => `${at(stated)},${at(1 - right)}`).join(' ');
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<text x="${at(share)}" y="${SIDE_PX + 18}" text-anchor="middle">${percent(share)}</text>`,
    `<text x="-8" y="${at(1 - share) + 4}" text-anchor="end">${percent(share)}</text>`,
  ]);
  const sizePx = SIDE_PX + 2 * MARGIN_PX;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${sizePx}" height="${sizePx}" viewBox="0 0 ${sizePx} ${sizePx}" font-family="sans-serif" font-size="12">`,
    `<rect width="${sizePx}" height="${sizePx}" fill="#fff"/>`,
    `<text x="${sizePx / 2}" y="28" text-anchor="middle" font-size="14">${escaped(title)}</text>`,
    `<g transform="translate(${MARGIN_PX} ${MARGIN_PX})">`,
    `<rect width="${SIDE_PX}" height="${SIDE_PX}" fill="none" stroke="#999"/>`,
    `<line x1="0" y1="${SIDE_PX}" x2="${SIDE_PX}" y2="0" stroke="#999" stroke-dasharray="4 4"/>`,
    `<polyline points="${line}" fill="none" stroke="#0b6"/>`,
    ...dots,
    ...ticks,
    `<text x="${SIDE_PX / 2}" y="${SIDE_PX + 38}" text-anchor="middle">probability that the answer states</text>`,
    `<text transform="translate(-42 ${SIDE_PX / 2}) rotate(-90)" text-anchor="middle">share that is right (${answers.length} answers)</text>`,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

/** Tenths of the stated probability that have answers. */
function binsOf(answers: readonly StatedAnswer[]): Bin[] {
  return Array.from({ length: BINS }, (_, i) => {
    const own = answers.filter(({ probability }) => Math.min(BINS - 1, Math.floor(probability * BINS)) === i);
    const mean = (of: (answer: StatedAnswer) => number): number =>
      own.reduce((sum, answer) => sum + of(answer), 0) / own.length;
    return {
      count: own.length,
      stated: mean(({ probability }) => probability),
      right: mean(({ right }) => Number(right)),
    };
  }).filter(({ count }) => count > 0);
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
