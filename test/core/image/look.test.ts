import { describe, expect, test } from 'vitest';
import { lookInto, turnedPanorama } from '#core/image/look.ts';

const [WIDTH, HEIGHT] = [384, 96];

/** Red tells the azimuth (from -180 to 180 degrees), green the elevation (from 45 down to -45). */
function panorama() {
  const rgb = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) rgb.set([Math.floor((x * 256) / WIDTH), y * 2, 0], (y * WIDTH + x) * 3);
  }
  return { rgb, widthPx: WIDTH, heightPx: HEIGHT };
}

const azimuthOf = (red: number): number => (red / 256) * 360 - 180;
const elevationOf = (green: number): number => 45 - (green / 2) * (90 / HEIGHT);

describe('a look into a panorama', () => {
  test.each([
    [0, 90],
    [90, 90],
    [-100, 60],
  ])('towards %d degrees with a field of view of %d sees what is there', (headingDeg, fovDeg) => {
    const look = lookInto(panorama(), { headingDeg, fovDeg, widthPx: 200 });
    expect([look.widthPx, look.heightPx]).toEqual([200, 150]);
    const at = (x: number, y: number, channel: number): number => look.rgb[(y * 200 + x) * 3 + channel] ?? Number.NaN;
    for (const [x, offDeg] of [
      [0, -fovDeg / 2],
      [100, 0],
      [199, fovDeg / 2],
    ] as const) {
      expect(Math.abs(azimuthOf(at(x, 75, 0)) - (headingDeg + offDeg))).toBeLessThan(3);
    }
    // square pixels: as many to the right as up make the same angle
    const upDeg = (Math.atan((75 / 100) * Math.tan((fovDeg * Math.PI) / 360)) * 180) / Math.PI;
    expect(Math.abs(elevationOf(at(100, 0, 1)) - upDeg)).toBeLessThan(2);
    expect(Math.abs(elevationOf(at(100, 75, 1)))).toBeLessThan(2);
  });

  test('goes over the edge behind the back', () => {
    const look = lookInto(panorama(), { headingDeg: 180, fovDeg: 60, widthPx: 100 });
    const redAt = (x: number): number => look.rgb[(37 * 100 + x) * 3] ?? Number.NaN;
    expect(azimuthOf(redAt(30))).toBeGreaterThan(150);
    expect(azimuthOf(redAt(70))).toBeLessThan(-150);
  });
});

test('a panorama that is turned has what it is turned to in its middle', () => {
  const turned = turnedPanorama(panorama(), 90);
  expect(Math.abs(azimuthOf(turned.rgb[(48 * WIDTH + WIDTH / 2) * 3] ?? Number.NaN) - 90)).toBeLessThan(2);
});
