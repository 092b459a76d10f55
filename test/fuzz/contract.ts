/** What the OpenAPI document says of a route, as far as making and judging requests needs it. */

/** A JSON schema, looked into where it is of use. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Operation {
  readonly name: string;
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly query: readonly { readonly name: string; readonly schema: Schema }[];
  readonly headers: readonly string[];
  /** undefined: none; `value`: any bytes. */
  readonly body: Schema | 'value' | undefined;
  /** By status: the codes its problem may have; undefined where it is no problem. */
  readonly replies: ReadonlyMap<number, ReadonlySet<string> | undefined>;
  readonly streams: boolean;
}

export interface Contract {
  readonly operations: readonly Operation[];
  /** Follows references. */
  resolve(schema: Schema): Schema;
}

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape is read
type Document = any;

export function contractOf(document: Document): Contract {
  const resolve = (schema: Schema): Schema => {
    const reference = schema['$ref'];
    if (typeof reference !== 'string') return schema;
    return document.components.schemas[reference.replace('#/components/schemas/', '')] as Schema;
  };
  const operations = Object.entries<Document>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Document>(methods).map(([method, operation]) => operationOf(path, method, operation)),
  );
  return { operations, resolve };
}

function operationOf(path: string, method: string, operation: Document): Operation {
  const parameters: readonly Document[] = operation.parameters ?? [];
  const content = operation.requestBody?.content;
  const replies = Object.entries<Document>(operation.responses).map(
    ([status, reply]) => [Number(status), codesOf(reply)] as const,
  );
  return {
    name: operation.operationId,
    method: method.toUpperCase(),
    path,
    query: parameters.filter((each) => each.in === 'query'),
    headers: parameters.filter((each) => each.in === 'header').map(({ name }) => name),
    body: content === undefined ? undefined : (content['application/json']?.schema ?? 'value'),
    replies: new Map(replies),
    streams: operation.responses['200']?.content?.['text/event-stream'] !== undefined,
  };
}

function codesOf(reply: Document): ReadonlySet<string> | undefined {
  const schema = reply.content?.['application/problem+json']?.schema;
  if (schema !== undefined) return new Set(schema.allOf[1].properties.code.enum as string[]);
  // The answer to a HEAD has no body, so its codes stand in the description.
  const listed = /^[A-Z][A-Za-z -]+: ([a-z-]+(?:, [a-z-]+)*)$/.exec(reply.description)?.[1];
  return listed === undefined ? undefined : new Set(listed.split(', '));
}
