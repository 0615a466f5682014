import * as z from 'zod';

/** Messages between the supervisor's process and its inference child; pixels and vectors travel as typed arrays. */

const DimsSchema = z.array(z.int().nonnegative());
const TensorSchema = z.discriminatedUnion('dtype', [
  z.object({ dtype: z.literal('uint8'), dims: DimsSchema, data: z.instanceof(Uint8Array) }),
  z.object({ dtype: z.literal('float32'), dims: DimsSchema, data: z.instanceof(Float32Array) }),
]);

const RequestSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('load'),
    id: z.int(),
    /** Absolute path of each graph by its name. */
    graphs: z.record(z.string(), z.string()),
    provider: z.string(),
    threads: z.int().positive(),
  }),
  z.object({
    type: z.literal('run'),
    id: z.int(),
    graph: z.string(),
    inputs: z.record(z.string(), TensorSchema),
  }),
]);

const ReplySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('loaded'), id: z.int() }),
  z.object({
    type: z.literal('result'),
    id: z.int(),
    outputs: z.record(z.string(), TensorSchema),
    /** Time inside the graph. */
    computeMs: z.number(),
    /** When the run began, milliseconds since 1970. */
    startedAtMs: z.number(),
    /** Of the process that ran it. */
    pid: z.int(),
  }),
  z.object({ type: z.literal('error'), id: z.int(), message: z.string() }),
]);

export type ChildTensor = z.infer<typeof TensorSchema>;
export type ChildRequest = z.infer<typeof RequestSchema>;
export type ChildReply = z.infer<typeof ReplySchema>;
export type ChildResult = Extract<ChildReply, { type: 'result' }>;

export const parseRequest = (message: unknown): ChildRequest => RequestSchema.parse(message);
export const parseReply = (message: unknown): ChildReply => ReplySchema.parse(message);
