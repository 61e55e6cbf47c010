// Avatar libraries behind node's own HTTP server: /ID?size=PIXELS, the library named by PEER.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(process.env.PEERS + '/');
const load = async (name) => {
  const module = await import(require.resolve(name));
  return module.default ?? module; // CommonJS packages have a default export only
};

const peers = {
  async 'jdenticon-png'() {
    const { toPng } = await load('jdenticon');
    return (id, size) => toPng(id, size);
  },
  async 'dicebear-svg'() {
    const [{ createAvatar }, style] = await Promise.all([
      load('@dicebear/core'), load('@dicebear/pixel-art')]);
    return (id, size) => createAvatar(style, { seed: id, size }).toString();
  },
  async 'dicebear-png'() {
    const svg = await peers['dicebear-svg']();
    const { Resvg } = require('@resvg/resvg-js');
    return (id, size) => new Resvg(svg(id, size)).render().asPng();
  },
};

const draw = await peers[process.env.PEER]();
createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/healthz') return response.end('ok');
  const body = Buffer.from(draw(url.pathname.slice(1), Number(url.searchParams.get('size'))));
  response.writeHead(200, { 'Content-Length': body.length });
  response.end(body);
}).listen(Number(process.env.PORT), '127.0.0.1');
