/** A collector that keeps what it is sent: OTLP over HTTP in JSON, as `/v1/metrics` and its like. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OtlpReceiver {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`, with `OTEL_EXPORTER_OTLP_PROTOCOL=http/json`. */
  readonly url: string;
  /** Every export so far of one signal, oldest first, as it was sent. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every shape
  readonly exports: (signal: 'metrics' | 'traces' | 'logs') => readonly any[];
  readonly close: () => Promise<void>;
}

export async function otlpReceiver(): Promise<OtlpReceiver> {
  const received: { readonly path: string; readonly body: unknown }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ path: request.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    exports: (signal) => received.filter(({ path }) => path === `/v1/${signal}`).map(({ body }) => body),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
