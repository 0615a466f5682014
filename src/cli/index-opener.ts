import { readConfig } from '../config.ts';
import type { OpenIndex } from '../core/retrieval/region.ts';
import { chooseIndex } from '../index-choice.ts';
import type { CommandContext } from './command.ts';

/** What opens a region's index here, as the service would. Errors: INDEX_INVALID when FAISS is asked for and not built. */
export async function indexOpener({ env }: Pick<CommandContext, 'env'>): Promise<OpenIndex> {
  const unsaid = { warn: () => {} }; // which index verifies is of no interest to a terminal
  return (await chooseIndex(readConfig(env).vectorIndex, unsaid)).openIndex;
}
