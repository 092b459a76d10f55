/** The baseline: `node:http` as it comes, keep-alive, one fixed reply of 100 bytes. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const body = Buffer.alloc(100, 'x');

const server = createServer((_request, response) => {
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
});
process.on('SIGTERM', () => process.exit(0));
