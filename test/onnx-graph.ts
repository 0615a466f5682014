/**
 * Writes small ONNX files by hand, so that tests can have graphs that are slow, fail or give NaN on purpose, without Python.
 * Field numbers are those of onnx.proto (IR version 8, opset 17).
 */

type Bytes = Uint8Array<ArrayBuffer>;
export type Dim = number | string;
export type Attribute = { ints: number[] } | { int: number } | { graph: Bytes };

const DATA_TYPES = { float32: 1, uint8: 2, int64: 7, bool: 9 } as const;
type DataType = keyof typeof DATA_TYPES;

function varint(value: number | bigint): Bytes {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function join(...parts: Bytes[]): Bytes {
  return new Uint8Array(Buffer.concat(parts));
}

const integer = (field: number, value: number): Bytes => join(varint(field << 3), varint(value));
const bytesField = (field: number, value: Bytes): Bytes => join(varint((field << 3) | 2), varint(value.length), value);
const text = (field: number, value: string): Bytes => bytesField(field, new Uint8Array(Buffer.from(value)));

export function tensor(name: string, type: DataType, dims: number[], data: Bytes): Bytes {
  return join(...dims.map((dim) => integer(1, dim)), integer(2, DATA_TYPES[type]), text(8, name), bytesField(9, data));
}

export const floats = (name: string, dims: number[], values: ArrayLike<number>): Bytes =>
  tensor(name, 'float32', dims, new Uint8Array(Float32Array.from(values).buffer));

export const longs = (name: string, values: number[], dims: number[] = [values.length]): Bytes =>
  tensor(name, 'int64', dims, new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer));

export function value(name: string, type: DataType, dims: Dim[]): Bytes {
  const shape = dims.map((dim) => bytesField(1, typeof dim === 'number' ? integer(1, dim) : text(2, dim)));
  const tensorType = join(integer(1, DATA_TYPES[type]), bytesField(2, join(...shape)));
  return join(text(1, name), bytesField(2, bytesField(1, tensorType)));
}

export function node(
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Record<string, Attribute> = {},
): Bytes {
  return join(
    ...inputs.map((name) => text(1, name)),
    ...outputs.map((name) => text(2, name)),
    text(4, op),
    ...Object.entries(attributes).map(([name, attribute]) => bytesField(5, attributeOf(name, attribute))),
  );
}

function attributeOf(name: string, attribute: Attribute): Bytes {
  if ('ints' in attribute) {
    return join(text(1, name), ...attribute.ints.map((item) => integer(8, item)), integer(20, 7));
  }
  if ('int' in attribute) return join(text(1, name), integer(3, attribute.int), integer(20, 2));
  return join(text(1, name), bytesField(6, attribute.graph), integer(20, 5));
}

export interface GraphParts {
  name: string;
  nodes: Bytes[];
  initializers: Bytes[];
  inputs: Bytes[];
  outputs: Bytes[];
}

export function graph({ name, nodes, initializers, inputs, outputs }: GraphParts): Bytes {
  return join(
    ...nodes.map((item) => bytesField(1, item)),
    text(2, name),
    ...initializers.map((item) => bytesField(5, item)),
    ...inputs.map((item) => bytesField(11, item)),
    ...outputs.map((item) => bytesField(12, item)),
  );
}

export function model(parts: GraphParts): Bytes {
  return join(integer(1, 8), bytesField(7, graph(parts)), bytesField(8, join(text(1, ''), integer(2, 17))));
}
