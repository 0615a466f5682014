/** A version of a region that its pointer names, and the model that embedded it. */
export interface RegionOption {
  readonly version: string;
  readonly model: { readonly name: string; readonly version: string };
}

export interface SettleInput {
  /** Versions of the model that may be served, the pointer's own first, the one before second. */
  readonly models: readonly string[];
  /** Of each region the versions that may be served, the pointer's own first, the one before second. */
  readonly regions: ReadonlyMap<string, readonly RegionOption[]>;
}

export interface Settlement {
  readonly model: string;
  /** What is served of each region; a region that is missing cannot be with this model. */
  readonly regions: ReadonlyMap<string, string>;
}

/**
 * Which model and which versions of the regions go together. Pointers are moved one after the other; a query of one model in an
 * index of another means nothing. So the model is the one that can serve most of the regions, by their present version or the one
 * before, and of equals the one that is pointed at: the old model keeps the old versions until the last region has one of the new
 * model and the model's pointer has moved, and then all switch together. It depends on the pointers alone: a container that
 * starts in the middle of it does as those that run. Undefined where there is no model.
 */
export function settle({ models, regions }: SettleInput): Settlement | undefined {
  let best: Settlement | undefined;
  for (const model of models) {
    const chosen = new Map<string, string>();
    for (const [id, options] of regions) {
      const fit = options.find((option) => option.model.version === model);
      if (fit !== undefined) chosen.set(id, fit.version);
    }
    if (best === undefined || chosen.size > best.regions.size) best = { model, regions: chosen };
  }
  return best;
}
