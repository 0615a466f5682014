/** What a check came to. */
export interface Finding {
  /** What was looked at: `model`, `region helsinki`. */
  readonly check: string;
  /** `warn`: it serves, and somebody should know. */
  readonly status: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
