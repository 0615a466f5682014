import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config.ts';
import { bytes } from '../table.ts';
import type { Finding } from './finding.ts';

const FULL_BYTES = 100e6;
const SCARCE_BYTES = 1e9;

/** Node's version against the range that the program is made for. */
export function checkNode(version: string, { major, minor }: { major: number; minor: number }): Finding {
  const [foundMajor = 0, foundMinor = 0] = version.split('.').map(Number);
  if (foundMajor === major && foundMinor >= minor) return { check: 'node', status: 'ok', detail: version };
  return {
    check: 'node',
    status: 'fail',
    detail: `${version}, and the program is made for ${major}.${minor} and later of ${major}`,
    advice: 'start it with bin/geo2, which uses the Node that `make setup` installs',
  };
}

export function checkThreads({ threads, device }: Pick<Config, 'threads' | 'device'>): Finding {
  const cores = availableParallelism();
  const detail = `${device}, ${threads} of ${cores} cores inside a run`;
  if (device !== 'cpu' || threads <= cores) return { check: 'device', status: 'ok', detail };
  return {
    check: 'device',
    status: 'warn',
    detail,
    advice: `more threads than cores are slower: GEO2_THREADS=${cores} or less`,
  };
}

/** Whether the embedded database, and what waits for jobs, may be written. */
export async function checkDataDir(dataDir: string): Promise<Finding> {
  return writable('data folder', dataDir, 'GEO2_DATA_DIR');
}

/** Whether versions of a store that is not local may be kept. */
export async function checkCacheDir(cacheDir: string): Promise<Finding> {
  return writable('cache', cacheDir, 'GEO2_CACHE_DIR');
}

/** The store is only read by the service: building regions needs more, and says so itself. */
export async function checkStoreDir(storeUrl: string): Promise<Finding> {
  const dir = fileURLToPath(storeUrl);
  const found = await stat(dir).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    return {
      check: 'store',
      status: 'fail',
      detail: `${dir} is no folder`,
      advice: 'point GEO2_STORE at the folder that holds regions/',
    };
  }
  if (!(await allows(dir, constants.R_OK | constants.X_OK))) {
    return {
      check: 'store',
      status: 'fail',
      detail: `${dir} cannot be read`,
      advice: 'let the user of the service read it',
    };
  }
  const mayWrite = await allows(dir, constants.W_OK);
  return {
    check: 'store',
    status: 'ok',
    detail: `${dir}${mayWrite ? '' : ', read only: regions cannot be built here'}`,
  };
}

export async function checkDisk(dir: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await existingPartOf(dir));
  const free = bavail * bsize;
  const detail = `${bytes(free)} free where ${dir} is`;
  if (free < FULL_BYTES) {
    return {
      check: 'disk',
      status: 'fail',
      detail,
      advice: 'make room, or set GEO2_DATA_DIR to a folder on another disk',
    };
  }
  if (free < SCARCE_BYTES)
    return { check: 'disk', status: 'warn', detail, advice: 'large batches may not fit: make room' };
  return { check: 'disk', status: 'ok', detail };
}

async function writable(check: string, dir: string, variable: string): Promise<Finding> {
  const existing = await existingPartOf(dir);
  const advice = `let the user of the service write there, or set ${variable}`;
  if (!(await stat(existing)).isDirectory())
    return { check, status: 'fail', detail: `${existing} is no folder`, advice };
  if (!(await allows(existing, constants.W_OK | constants.X_OK))) {
    return { check, status: 'fail', detail: `${existing} cannot be written`, advice };
  }
  return { check, status: 'ok', detail: existing === dir ? dir : `${dir}, which the first start makes` };
}

/** The folder itself, or the nearest one above it that is there. */
async function existingPartOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : existingPartOf(dirname(path));
}

function allows(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
