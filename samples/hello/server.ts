import { createServer } from 'node:http';

const target = process.env['TARGET'] ?? 'World';
const port = Number(process.env['PORT'] ?? 8080);

const server = createServer((_request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`Hello ${target}!\n`);
});

server.listen(port, () => process.stdout.write(`listening on ${port}\n`));

// The platform sends no more requests once it says so; those under way are finished.
process.once('SIGTERM', () => {
  server.close();
  server.closeIdleConnections();
});
