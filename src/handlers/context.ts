import type { Logger } from 'pino';
import type { Caller } from '../core/accounts/caller.ts';
import type { Identified } from '../core/accounts/keys.ts';
import type { ProblemCode } from './problems.ts';

/** What middleware leaves for handlers. */
export interface AppEnv {
  Variables: {
    requestId: string;
    /** Of the W3C trace that the request is in. */
    traceId?: string | undefined;
    /** A logger that names the request. */
    log: Logger;
    /** Ends when the caller hangs up or the request's time is over. */
    signal: AbortSignal;
    /** Milliseconds that are left for the request. */
    remainingMs: () => number;
    /** Who asks; set on every route of /v1. */
    caller: Caller;
    /** Limits that the caller's key has of its own. */
    keyLimits: Omit<Identified, 'caller'>;
    /** Made of the caller's key, which is stored nowhere; empty for a caller without a key. */
    callerSecret: Uint8Array;
    /** Set by a route whose answer holds an image: such an answer is never stored. */
    answerHoldsImage?: true;
    /** Set when the answer is a problem, for log and metrics. */
    problemCode?: ProblemCode;
  };
}
