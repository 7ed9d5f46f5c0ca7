/**
 * What another site's page can do to somebody who is signed in: neither read, renew nor end the session, nor be where a link of this
 * site leads; and what somebody gets who plants a session: not the one that is used afterwards.
 *
 * Environment: BASE_URL (on localhost), VIEWER_EMAIL, VIEWER_PASSWORD.
 */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const viewer = { email: required('VIEWER_EMAIL'), password: required('VIEWER_PASSWORD') }

let browser
let context
/** The other site, which is asked for by two names: one is this site on another port to a cookie, one is another site. */
let elsewhere
let port
/** What the other site was asked for. */
const asked = []

before(async () => {
  elsewhere = createServer((request, response) => {
    asked.push(request.url)
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>Elsewhere</title><p>Elsewhere')
  })
  await new Promise((listening) => elsewhere.listen(0, listening))
  ;({ port } = elsewhere.address())
  browser = await startBrowser()
  context = await browser.newContext({ locale: 'en-GB' })
  const page = await context.newPage()
  await page.goto(`${baseUrl}/sign-in`)
  await signIn(page)
  await page.getByRole('heading', { name: 'Library' }).waitFor()
})

after(async () => {
  await browser?.close()
  elsewhere?.close()
})

test('another site can do nothing with a session', async (t) => {
  const before = await session()
  assert.ok(before, 'somebody is signed in')
  const page = await context.newPage()

  for (const host of ['localhost', '127.0.0.1']) {
    const attempts = {
      'a form': async (page, path) => {
        const [answer] = await Promise.all([
          page.waitForResponse((response) => response.url() === `${baseUrl}${path}` && response.request().method() === 'POST'),
          page.evaluate((action) => {
            const form = Object.assign(document.createElement('form'), { method: 'post', action })
            document.body.append(form)
            form.submit()
          }, `${baseUrl}${path}`),
        ])
        await page.waitForURL(`${baseUrl}${path}`)
        assert.equal(answer.status(), path.endsWith('refresh') ? 403 : 415)
      },
      'a form in a frame': async (page, path) => {
        const answered = page.waitForResponse((response) => response.url() === `${baseUrl}${path}`)
        await page.evaluate((action) => {
          const frame = Object.assign(document.createElement('iframe'), { name: 'frame' })
          const form = Object.assign(document.createElement('form'), { method: 'post', action, target: 'frame' })
          document.body.append(frame, form)
          form.submit()
        }, `${baseUrl}${path}`)
        assert.ok((await answered).status() >= 400)
      },
      'fetch that reads': async (page, path) => {
        for (const method of ['POST', 'DELETE', 'GET', 'PUT']) assert.equal(await ask(page, path, { method, mode: 'cors' }), 'TypeError', method)
      },
      'fetch that reads, with a type that is asked for first': async (page, path) => {
        const headers = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' }
        assert.equal(await ask(page, path, { method: 'POST', mode: 'cors', headers, body: '{}' }), 'TypeError')
      },
      'fetch that reads nothing': async (page, path) => {
        const answered = page.waitForResponse((response) => response.url() === `${baseUrl}${path}`)
        assert.equal(await ask(page, path, { method: 'POST', mode: 'no-cors' }), 'opaque')
        assert.ok((await answered).status() >= 400)
        assert.equal(await ask(page, path, { method: 'DELETE', mode: 'no-cors' }), 'TypeError')
      },
      'a beacon': async (page, path) => {
        const answered = page.waitForResponse((response) => response.url() === `${baseUrl}${path}`)
        await page.evaluate((url) => navigator.sendBeacon(url, ''), `${baseUrl}${path}`)
        assert.ok((await answered).status() >= 400)
      },
      'a picture and a script': async (page, path) => {
        const loaded = await page.evaluate(async (source) => {
          const load = (name) =>
            new Promise((done) => {
              const element = Object.assign(document.createElement(name), { src: source, onload: () => done('loaded'), onerror: () => done('failed') })
              document.body.append(element)
            })
          return [await load('img'), await load('script')]
        }, `${baseUrl}${path}`)
        assert.deepEqual(loaded, ['failed', 'failed'])
      },
      'a link': async (page, path) => {
        await page.evaluate((href) => {
          const link = Object.assign(document.createElement('a'), { href, textContent: 'A link' })
          document.body.append(link)
        }, `${baseUrl}${path}`)
        const [answer] = await Promise.all([
          page.waitForResponse((response) => response.url() === `${baseUrl}${path}`),
          page.getByRole('link', { name: 'A link' }).click(),
        ])
        await page.waitForURL(`${baseUrl}${path}`)
        assert.ok(answer.status() >= 400)
      },
    }
    for (const [name, attempt] of Object.entries(attempts))
      await t.test(`${name}, from ${host}`, async () => {
        for (const path of ['/api/session/refresh', '/api/session']) {
          await page.goto(`http://${host}:${port}/`)
          await attempt(page, path)
          assert.equal(await session(), before, `the cookie is the same after ${path}`)
        }
      })
  }

  await t.test('the session goes on where it belongs, and the same requests renew and end it there', async () => {
    await page.goto(`${baseUrl}/account`)
    await page.getByRole('heading', { name: 'Account', exact: true }).waitFor()
    const answered = (method, path) => page.evaluate(async ([method, path]) => (await fetch(path, { method })).status, [method, path])
    assert.equal(await answered('POST', '/api/session/refresh'), 200)
    assert.equal(await answered('DELETE', '/api/session'), 204)
    assert.equal(await session(), undefined, 'an end would have been noticed')
  })
})

test('a session that was planted is not the one after signing in', async (t) => {
  const planted = await somebodysSession()
  const cookie = { name: 'matinee_refresh', domain: new URL(baseUrl).hostname, secure: true, httpOnly: true, sameSite: 'Strict' }
  const victims = await browser.newContext({ locale: 'en-GB' })
  const page = await victims.newPage()
  const own = async () => (await victims.cookies(`${baseUrl}/api/session`)).find(({ name }) => name === cookie.name)?.value

  await t.test('in its place', async () => {
    await victims.addCookies([{ ...cookie, path: '/api/session', value: planted }])
    await page.goto(`${baseUrl}/sign-in`)
    // It is a session like any other: whoever meets it there ends it.
    await page.getByRole('button', { name: 'Account', exact: true }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    await signIn(page)
    await page.getByRole('heading', { name: 'Library' }).waitFor()
    assert.ok((await own()) && (await own()) !== planted)
    assert.equal(await renewed(planted), 401, 'it has ended')
  })

  await t.test('beside it, for a longer path', async () => {
    await victims.addCookies([{ ...cookie, path: '/api/session/refresh', value: await somebodysSession() }])
    const answer = page.waitForResponse((response) => response.url() === `${baseUrl}/api/session/refresh`)
    await page.goto(`${baseUrl}/account`)
    assert.equal((await answer).status(), 401)
    await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    await victims.clearCookies({ path: '/api/session/refresh' })
    await page.goto(`${baseUrl}/account`)
    await page.getByRole('heading', { name: 'Account', exact: true }).waitFor()
  })
})

test('no address of this site leads to another one', async (t) => {
  const host = `127.0.0.1:${port}`
  const targets = [
    `//${host}/`,
    `///${host}/`,
    `http://${host}/`,
    `http:${host}/`,
    `\\\\${host}/`,
    `/\\${host}/`,
    `\\/${host}/`,
    `/\t/${host}/`,
    `/\n/${host}/`,
    `\u0000//${host}/`,
    ` //${host}/`,
    `/.//${host}/`,
    `/x/..//${host}/`,
    `/%2e//${host}/`,
    `/%2f${host}/`,
    `/%5c${host}/`,
    `%2f%2f${host}/`,
    `//user@${host}/`,
    `@${host}/`,
    `/@${host}/`,
    `//localhost:80@${host}/`,
    `/sign-in?redirect=${encodeURIComponent(`//${host}/`)}`,
    `/./sign-in?redirect=${encodeURIComponent(`http://${host}/`)}`,
    `/\u2028/${host}/`,
    `／／${host}/`,
    'javascript:location="//127.0.0.1"',
    'data:text/html,<script>location="//127.0.0.1"</script>',
  ]
  const page = await context.newPage()
  await page.goto(`${baseUrl}/sign-in`)
  await signIn(page)
  await page.getByRole('heading', { name: 'Library' }).waitFor()
  await t.test('a way that leads there would be noticed', async () => {
    asked.length = 0
    await page.evaluate((address) => location.assign(address), `//${host}/`)
    await page.waitForURL(`http://${host}/`)
    assert.equal(asked[0], '/')
  })
  asked.length = 0
  const guestPages = ['sign-in', 'register', 'forgot', 'confirm']
  for (const [number, target] of targets.entries())
    await t.test(JSON.stringify(target.replace(host, 'host')), async () => {
      await page.goto(`${baseUrl}/${guestPages[number % guestPages.length]}?${new URLSearchParams({ redirect: target })}`)
      await page.locator('h1').first().waitFor({ state: 'attached' })
      assert.equal(new URL(page.url()).origin, baseUrl)
      // As the server would be asked if the target were put behind its own address.
      await page.goto(`${baseUrl}${target.startsWith('/') ? '' : '/'}${target}`).catch(() => undefined)
      assert.equal(new URL(page.url()).origin, baseUrl)
    })
  await t.test('after signing in too', async () => {
    const other = await (await browser.newContext({ locale: 'en-GB' })).newPage()
    await other.goto(`${baseUrl}/forgot?${new URLSearchParams({ redirect: `/\\${host}/` })}`)
    await other.getByRole('link', { name: 'Sign in' }).click()
    // Both pages ask for an e-mail.
    await other.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    await signIn(other)
    await other.getByRole('heading', { name: 'Library' }).waitFor()
    assert.equal(other.url(), `${baseUrl}/`)
  })
  assert.deepEqual(asked, [], 'the other site was asked for nothing')
})

/** The cookie that carries the session. */
async function session() {
  const cookies = await context.cookies(`${baseUrl}/api/session`)
  return cookies.find(({ name }) => name === 'matinee_refresh')?.value
}

/** The cookie of a new session of the viewer's, elsewhere. */
async function somebodysSession() {
  const answer = await fetch(`${baseUrl}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(viewer),
  })
  assert.equal(answer.status, 200)
  return answer.headers.getSetCookie()[0].split(';')[0].split('=').slice(1).join('=')
}

/** How the service answers whoever would renew a session by its cookie. */
async function renewed(value) {
  const answer = await fetch(`${baseUrl}/api/session/refresh`, { method: 'POST', headers: { cookie: `matinee_refresh=${value}` } })
  return answer.status
}

/** What a page is told of a request that it makes: the type of the answer, or the name of the error. */
function ask(page, path, options) {
  return page.evaluate(
    async ([url, init]) => {
      try {
        const answer = await fetch(url, { credentials: 'include', ...init })
        return (await answer.text()) === '' ? answer.type : `${answer.type}, readable`
      } catch (error) {
        return error.name
      }
    },
    [`${baseUrl}${path}`, options],
  )
}

async function signIn(page) {
  await page.getByLabel('E-mail').fill(viewer.email)
  await page.getByLabel('Password', { exact: true }).fill(viewer.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
