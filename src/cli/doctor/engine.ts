import type { Config } from '../../config.ts';
import { Geo2Error } from '../../core/errors.ts';
import type { Model } from '../../core/inference/model.ts';
import { openEngine } from '../../engine.ts';
import { createLogger } from '../../logging.ts';
import { count } from '../table.ts';
import { type Finding, messageOf } from './finding.ts';

/** Whether the FAISS binding is there, and what searches without it. */
export async function checkIndex({ vectorIndex }: Pick<Config, 'vectorIndex'>): Promise<Finding> {
  if (vectorIndex === 'exact') return { check: 'index', status: 'ok', detail: 'exact, as GEO2_VECTOR_INDEX asks' };
  const built = await import('#native/faiss').then(
    ({ faissVersion }) => faissVersion(),
    () => undefined,
  );
  if (built !== undefined) return { check: 'index', status: 'ok', detail: `FAISS ${built}` };
  return {
    check: 'index',
    status: vectorIndex === 'faiss' ? 'fail' : 'warn',
    detail: 'the FAISS binding is not built here; the exact index is slower on large regions',
    advice: 'run `make setup`',
  };
}

/**
 * Starts model and regions as the service does, in processes that end with the check: files verified, graphs loaded on the device,
 * every golden sample computed, each region opened by the model that embedded it.
 */
export async function checkEngine(config: Config, childEnv: Readonly<Record<string, string>>): Promise<Finding[]> {
  const logger = createLogger({ level: 'silent', version: 'doctor' });
  try {
    const engine = await openEngine(config, { logger, childEnv });
    const model = await engine.start().then(
      () => modelFinding(engine.model.manifest),
      (error: unknown) => modelFailure(error, config),
    );
    const synthesis = model.status === 'ok' ? [await synthesisFinding(engine.model)] : [];
    const regions = engine.regionHealth().map((region): Finding => {
      const check = `region ${region.id}`;
      if (region.status === 'READY') return { check, status: 'ok', detail: `version ${region.version}` };
      const detail = region.reason ?? 'it could not be tried';
      return {
        check,
        status: 'fail',
        detail,
        advice: `geo2 region verify ${region.id} says more; build or publish it again`,
      };
    });
    await engine.stop();
    return [model, ...synthesis, ...(regions.length > 0 ? regions : [noRegion(config)])];
  } catch (error) {
    return [modelFailure(error, config)];
  }
}

function modelFinding({ name, version, files }: { name: string; version: string; files: readonly unknown[] }): Finding {
  return {
    check: 'model',
    status: 'ok',
    detail: `${name} ${version}: ${count(files.length, 'file')} verified, golden samples met`,
  };
}

/** A first run loads the graphs, which a service that makes no views never does, and computes their golden samples. */
async function synthesisFinding({ manifest: { latent }, synthesis }: Model): Promise<Finding> {
  const check = 'synthesis';
  if (latent === null || synthesis === undefined) {
    return { check, status: 'ok', detail: 'the model makes no views: /v1/synthesize and previews answer 501' };
  }
  const side = { widthPx: latent.sizePx, heightPx: latent.sizePx };
  const { name, steps } = latent.solver;
  return synthesis.encode({ rgb: new Uint8Array(latent.sizePx ** 2 * 3).fill(128), ...side }).then(
    (): Finding => ({ check, status: 'ok', detail: `${name}, ${steps} steps unless asked: golden samples met` }),
    (error: unknown): Finding => ({
      check,
      status: 'fail',
      detail: messageOf(error),
      advice: 'restore the released model: its files are not as they were exported',
    }),
  );
}

function modelFailure(error: unknown, { device }: Pick<Config, 'device'>): Finding {
  const missing = error instanceof Geo2Error && error.code === 'FILE_MISSING';
  const advice =
    device === 'cuda'
      ? 'GEO2_DEVICE=cuda needs an onnxruntime with its CUDA libraries; GEO2_DEVICE=cpu runs anywhere'
      : missing
        ? 'point GEO2_MODEL_DIR at the folder of a released model'
        : 'restore the released model: its files are not as they were exported';
  return { check: 'model', status: 'fail', detail: messageOf(error), advice };
}

function noRegion({ storeUrl }: Pick<Config, 'storeUrl'>): Finding {
  return {
    check: 'regions',
    status: 'fail',
    detail: `none is published in ${storeUrl}`,
    advice: 'geo2 region build makes one, geo2 region publish puts it to use',
  };
}
