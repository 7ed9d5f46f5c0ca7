/** Serves files of some folders by ranges, as a bucket behind a CDN does. */
import { open, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import path from 'node:path'

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.mpd': 'application/dash+xml',
  '.mp4': 'video/mp4',
}

/** `folders` by the first part of the path. Answers its address and a function that ends it. */
export async function serve(folders) {
  const server = createServer((request, response) => {
    answer(folders, request, response).catch(() => response.destroy())
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  const close = () =>
    new Promise((closed) => {
      server.close(closed)
      server.closeAllConnections()
    })
  return { url: `http://127.0.0.1:${server.address().port}`, close }
}

async function answer(folders, request, response) {
  const [, folder, ...rest] = decodeURIComponent(new URL(request.url, 'http://local').pathname).split('/')
  const file = folders[folder] && path.join(folders[folder], ...rest)
  const size = file && (await stat(file).catch(() => undefined))?.size
  if (size === undefined) return response.writeHead(404).end()
  const headers = { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream', 'accept-ranges': 'bytes' }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const start = range ? Number(range[1]) : 0
  const end = Math.min(size, range?.[2] ? Number(range[2]) + 1 : size)
  if (start >= end) return response.writeHead(size === 0 ? 200 : 416, { 'content-range': `bytes */${size}` }).end()
  if (range) headers['content-range'] = `bytes ${start}-${end - 1}/${size}`
  response.writeHead(range ? 206 : 200, { ...headers, 'content-length': end - start })
  const handle = await open(file)
  handle.createReadStream({ start, end: end - 1 }).pipe(response)
}
