// Reads an OpenAPI document from its input and prints the types of it. It is a program of its own, because the generator
// stands on TypeScript 5 and everything else here on 7.
import { text } from 'node:stream/consumers';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';

/** A file: what fetch sends from memory, from disk and in a form. */
const BLOB = ts.factory.createTypeReferenceNode('Blob');

const document = JSON.parse(await text(process.stdin));
const types = await openapiTS(document, {
  alphabetize: true,
  rootTypes: true,
  rootTypesNoSchemaPrefix: true,
  transform: (schema) => (schema.format === 'binary' ? BLOB : undefined),
});
process.stdout.write(astToString(types));
