/**
 * The network between a browser and a service, as an HTTP proxy, so that a test can lose it in the middle of an answer. Playwright's
 * `setOffline` alone doesn't: what streams already goes on.
 */
import http from 'node:http'
import net from 'node:net'

export class Line {
  #isCut = false
  #sockets = new Set()
  #proxy = http.createServer(forward).on('connect', tunnel)
  #entrance = net.createServer((socket) => this.#carry(socket))

  static async start() {
    const line = new Line()
    for (const server of [line.#proxy, line.#entrance]) await listening(server)
    return line
  }

  /** For Playwright's `proxy` option; without the bypass rule Chromium reaches this machine directly. */
  get proxy() {
    return { server: `http://127.0.0.1:${this.#entrance.address().port}`, bypass: '<-loopback>' }
  }

  /** From now on nothing comes through, and nobody is told. */
  cut() {
    this.#isCut = true
  }

  /** It works again, for new connections. */
  mend() {
    this.#isCut = false
    this.dropAll()
  }

  /** Ends all connections, as a service does that is restarted. */
  dropAll() {
    for (const socket of this.#sockets) socket.destroy()
  }

  close() {
    this.dropAll()
    this.#entrance.close()
    this.#proxy.close()
  }

  #carry(near) {
    const far = net.connect(this.#proxy.address().port, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(from)
      from.on('data', (bytes) => this.#isCut || to.write(bytes))
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }
}

function forward(request, response) {
  const { method, headers } = request
  const onward = http.request(request.url, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    response.flushHeaders()
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}

function tunnel(request, near, head) {
  const { hostname, port } = new URL(`http://${request.url}`)
  const far = net.connect(Number(port || 443), hostname, () => {
    near.write('HTTP/1.1 200 Connection established\r\n\r\n')
    far.write(head)
    far.pipe(near)
    near.pipe(far)
  })
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ])
    socket.on('error', () => undefined).on('close', () => other.destroy())
}

function listening(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
}
