/**
 * What people write is shown as they wrote it and does nothing, wherever a page shows it: titles, descriptions, names of files, e-mails,
 * what a browser calls itself, subtitles, addresses, and what the service answers.
 *
 * Environment: BASE_URL, ADMIN_EMAIL, ADMIN_PASSWORD, FFMPEG (an ffmpeg with libx264); SCREENSHOT_DIR is optional.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { startBrowser } from './browser.mjs'
import { CANARIES, traces, visitors } from './canaries.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const admin = { email: required('ADMIN_EMAIL'), password: required('ADMIN_PASSWORD') }
const ffmpeg = required('FFMPEG')
const screenshotDir = process.env.SCREENSHOT_DIR

const READY_MS = 120_000
const run = Date.now().toString(36)
/** The text of a subtitle is a line, and may have some marks of its own. */
const SUBTITLES = CANARIES.filter((text) => !text.includes('-->'))

let browser
let folder
/** Visitors of both kinds, once signed in as an admin and once not at all. */
let admins
let guests
let token
let film

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  folder = await mkdtemp(path.join(tmpdir(), 'matinee-security-'))
  browser = await startBrowser()
  const userAgent = `Mozilla/5.0 ${CANARIES[1]} Chrome/147.0 ${CANARIES[0]}`
  admins = await visitors(browser, { userAgent })
  guests = await visitors(browser, { userAgent })
})

after(async () => {
  await browser?.close()
  if (folder) await rm(folder, { recursive: true })
})

test('what people write does nothing', async (t) => {
  const step = (name, body) => t.test(name, body)

  await step('a page with a hole would be noticed', async () => {
    const { contexts, wrong } = await visitors(browser)
    for (const context of contexts) {
      const page = await context.newPage()
      await page.goto(`${baseUrl}/sign-in`)
      await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
      assert.deepEqual(await traces(page), [], 'nothing is found in a page that is whole')
      const noticed = wrong.length
      await page.evaluate((text) => document.body.insertAdjacentHTML('beforeend', text), CANARIES[1])
      assert.notDeepEqual(await traces(page), [])
      await until(() => wrong.length > noticed)
      await context.close()
    }
    assert.ok(wrong.some((text) => text.startsWith('the policy refused')), String(wrong))
    assert.ok(wrong.some((text) => text.startsWith('a canary ran')), String(wrong))
  })

  await step('an admin signs in with a browser of such a name', async () => {
    for (const context of admins.contexts) {
      const page = await context.newPage()
      page.setDefaultTimeout(60_000)
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.url() === `${baseUrl}/api/session` && response.ok()),
        signIn(page),
      ])
      token = (await answer.json()).access_token
      await page.getByRole('heading', { name: 'Library' }).waitFor()
    }
    for (const context of guests.contexts) await context.newPage()
  })

  await step('the history shows no name of a browser', async () => {
    for (const text of CANARIES) await signInAs(text.replaceAll(/[^ -~]/g, ''))
    await see(admins, '/account', async (page) => {
      await page.getByRole('cell', { name: 'Signed in' }).first().waitFor()
      assert.ok(!(await page.locator('main').innerText()).includes('canary'))
    })
  })

  await step('a film whose subtitles, languages and tracks have such names', async () => {
    film = await publish(await makeFilm())
    await see(admins, `/watch/${film}`, async (page) => {
      await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2)
      await page.keyboard.press('c')
      await page.waitForFunction(() => document.querySelector('.shaka-text-container'))
      for (const [second, text] of SUBTITLES.entries()) {
        await page.locator('video').evaluate((video, time) => {
          video.pause()
          video.currentTime = time
        }, second + 0.5)
        // What looks like a mark of WebVTT's own may be left out, so what is waited for is the place.
        await page.waitForFunction((time) => Math.abs(document.querySelector('video').currentTime - time) < 0.3 && !document.querySelector('video').seeking, second + 0.5)
        if (text.startsWith('{{')) await page.locator('.shaka-text-container').getByText('constructor.constructor').first().waitFor()
        await clean(page, `the subtitle ${text}`)
      }
      const more = page.locator('.shaka-overflow-menu-button, .shaka-caption-button').first()
      if (await more.count()) {
        await more.evaluate((button) => button.click())
        await clean(page, 'the menu of languages')
      }
    })
  })

  await step('titles and descriptions', async () => {
    // Two at a time, to be done in half the time.
    const half = Math.ceil(CANARIES.length / 2)
    for (const text of CANARIES.slice(0, half).map((first, number) => `${first} ${CANARIES[half + number] ?? ''}`.trim())) {
      await change(film, { title: `${text} ${run}`, description: `${text}\n${text}` })
      await see(admins, '/', async (page) => {
        await page.getByText(shown(text)).first().waitFor()
      })
      await see(admins, `/watch/${film}`, async (page) => {
        await page.getByRole('heading', { level: 1 }).filter({ hasText: shown(text) }).waitFor()
        assert.ok((await page.title()).includes(shown(text)))
        await page.getByRole('button', { name: 'Edit' }).click()
        assert.equal(await page.getByLabel('Title', { exact: true }).inputValue(), `${text} ${run}`)
        await clean(page, 'the dialog to edit')
        await page.getByRole('button', { name: 'Cancel' }).click()
        await page.getByRole('button', { name: 'Delete' }).click()
        await page.getByRole('dialog').getByText(shown(text)).waitFor()
      })
    }
    if (screenshotDir) await admins.contexts[0].pages()[0].screenshot({ path: path.join(screenshotDir, 'security-title.png') })
  })

  await step('names of uploads and files', async () => {
    const ids = []
    for (const text of CANARIES) ids.push(await sendNoFilm(text))
    for (const id of ids) await until(async () => (await api('GET', `/uploads/${id}`)).state === 'failed')
    const me = await api('GET', '/me')
    for (const place of ['/uploads', '/admin/jobs', `/admin/accounts/${me.id}`])
      await see(admins, place, async (page) => {
        for (const text of CANARIES) {
          const more = page.getByRole('button', { name: 'Load more' }).last()
          for (let pages = 0; pages < 5 && (await page.getByText(shown(text)).count()) === 0 && (await more.count()); pages += 1) {
            await more.click()
            await page.waitForLoadState('networkidle')
          }
          if (place !== `/admin/accounts/${me.id}`) await page.getByText(shown(text)).first().waitFor()
        }
      })
    for (const id of ids) await api('DELETE', `/uploads/${id}`)
    await see(admins, '/upload', async (page) => {
      for (const text of CANARIES) {
        const name = `${text.replaceAll('/', '∕')}.mp4`
        await page.getByLabel('Choose films to upload').setInputFiles({ name, mimeType: 'video/mp4', buffer: Buffer.alloc(10) })
        await clean(page, `the chosen file ${text}`)
        await page.getByLabel('Choose films to upload').setInputFiles({ name, mimeType: text.replaceAll(/[^ -~]/g, ''), buffer: Buffer.alloc(0) })
        await clean(page, `the refused file ${text}`)
      }
    })
  })

  await step('e-mails, at signing up and in the search for accounts', async () => {
    for (const [number, text] of CANARIES.entries()) {
      const email = `${text.replaceAll(/\s/g, '/').slice(0, 100)}${number}@${run}.example`
      const answer = await fetch(`${baseUrl}/api/sign-up`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email, password: 'Correct horse 7 battery' }),
      })
      assert.ok(answer.status < 500, `${email}: ${answer.status}`)
      await see(admins, `/admin?email=${encodeURIComponent(text)}`, async (page) => {
        assert.equal(await page.getByLabel('E-mail begins with').inputValue(), text.slice(0, 128))
        await page.locator('.accounts li, .empty, [role=alert]').first().waitFor()
        await clean(page, `the search for ${text}`)
        await page.getByLabel('E-mail begins with').fill(email)
        await Promise.all([
          page.waitForResponse((response) => response.url().includes('/api/admin/accounts?')),
          page.getByRole('button', { name: 'Find' }).click(),
        ])
        await page.locator('.accounts li, .empty, [role=alert]').first().waitFor()
        await clean(page, `the search for ${email}`)
        const link = page.locator('.accounts a').first()
        if (await link.count()) {
          await link.click()
          await page.locator('dl, [role=alert]').first().waitFor()
        }
      })
    }
  })

  await step('parameters, fragments and ids in addresses', async () => {
    const open = ['/sign-in', '/register', '/forgot', '/confirm', '/nowhere']
    const closed = ['/', '/live', '/upload', '/uploads', '/account', '/admin', '/admin/jobs']
    const names = ['redirect', 'email', 'channel', 'cursor', 'code', 'title', 'id', 'error', 'message', 'next', 'q']
    for (const shift of [0, 6, 12]) {
      const canary = (number) => CANARIES[(number + shift) % CANARIES.length]
      const query = names.map((name, number) => `${name}=${encodeURIComponent(canary(number))}`).join('&')
      const rest = `?${query}&${encodeURIComponent(canary(1))}#${canary(2)}`
      for (const place of open) await see(guests, `${place}${rest}`)
      for (const place of closed) await see(admins, `${place}${rest}`)
    }
    for (const value of CANARIES.map(encodeURIComponent)) {
      await see(guests, `/nowhere/${value}`)
      for (const place of [`/watch/${value}`, `/admin/accounts/${value}`]) await see(admins, place)
    }
  })

  await step('answers that are opened as if they were pages', async () => {
    for (const text of CANARIES) {
      const value = encodeURIComponent(text)
      for (const place of [`/api/videos/${value}`, `/api/${value}?${value}`, `/media/${value}/original`, `/posters/${value}.jpg`, `/live/${value}`, `/assets/${value}`])
        await see(guests, place, async () => undefined)
    }
  })

  await step('problems that the service tells', async () => {
    for (const text of [CANARIES[6], CANARIES.join(' ')]) {
      const problem = {
        type: text,
        title: text,
        status: 400,
        detail: text,
        request_id: text,
        errors: [{ field: text, detail: text }],
      }
      const routed = new Set()
      for (const context of [...admins.contexts, ...guests.contexts])
        await context.route(
          (url) => url.pathname.startsWith('/api/') && !/^\/api\/(session\/refresh|me)$/.test(url.pathname),
          async (route) => {
            routed.add(new URL(route.request().url()).pathname)
            await route.fulfill({ status: 400, contentType: 'application/problem+json', body: JSON.stringify(problem) })
          },
        )
      for (const place of ['/', '/uploads', '/admin', '/admin/jobs', '/admin/accounts/x', '/account', '/live', '/watch/x'])
        await see(admins, place, async (page) => {
          await page.getByText(shown(text)).first().waitFor()
        })
      await see(guests, '/sign-in', async (page) => {
        await page.getByLabel('E-mail').fill('somebody@example.org')
        await page.getByLabel('Password', { exact: true }).fill('anything')
        await page.getByRole('button', { name: 'Sign in' }).click()
        await page.getByRole('alert').filter({ hasText: shown(text) }).waitFor()
      })
      assert.ok(routed.has('/api/videos') && routed.has('/api/session'), [...routed].join(' '))
      for (const context of [...admins.contexts, ...guests.contexts]) await context.unrouteAll()
    }
  })

  await step('the film goes', () => api('DELETE', `/videos/${film}`))

  await step('no canary ran, no dialog opened, and no policy had to refuse anything', () => {
    assert.deepEqual([...admins.wrong, ...guests.wrong], [])
  })
})

/** Both kinds of visitors open a page, see to it that it shows what it is opened for, and find it whole. */
async function see({ contexts }, place, body = shows) {
  await Promise.all(
    contexts.map(async (context) => {
      const [page] = context.pages()
      await page.goto(`${baseUrl}${place}`)
      await body(page)
      await clean(page, place)
    }),
  )
}

/** Waits until a page has something to show. */
async function shows(page) {
  await page.locator('h1').first().waitFor({ state: 'attached' })
}

async function clean(page, where) {
  assert.deepEqual(await traces(page), [], where)
}

/** The first line of a text as a page shows it: Playwright folds spaces. */
function shown(text) {
  return text.split('\n')[0]
}

async function signIn(page) {
  await page.goto(`${baseUrl}/sign-in`)
  await page.getByLabel('E-mail').fill(admin.email)
  await page.getByLabel('Password', { exact: true }).fill(admin.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function api(method, route, body, headers = {}) {
  const answer = await request(method, route, body, headers)
  assert.ok(answer.ok, `${method} ${route}: ${answer.status} ${await answer.clone().text()}`)
  return answer.status === 204 ? undefined : answer.json()
}

function request(method, route, body, headers = {}) {
  return fetch(`${baseUrl}/api${route}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
}

async function change(id, values) {
  const now = await request('GET', `/videos/${id}`)
  assert.equal(now.status, 200)
  await api('PATCH', `/videos/${id}`, values, { 'if-match': now.headers.get('etag') })
}

/** Has the admin sign in with a browser that calls itself so. */
async function signInAs(userAgent) {
  const answer = await fetch(`${baseUrl}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': userAgent },
    body: JSON.stringify(admin),
  })
  assert.equal(answer.status, 200, userAgent)
}

/** Uploads what is no film under that name, and answers the upload's id. It fails a moment later. */
async function sendNoFilm(name) {
  const bytes = randomBytes(1000)
  const { id } = await api('POST', '/uploads', { name, file_name: name, description: name, size_bytes: bytes.length })
  const sha256 = createHash('sha256').update(bytes).digest('base64')
  const { parts } = await api('POST', `/uploads/${id}/parts`, { parts: [{ number: 1, sha256 }] })
  const sent = await fetch(parts[0].url, { method: 'PUT', headers: parts[0].headers, body: bytes })
  assert.equal(sent.status, 200, await sent.text())
  await api('POST', `/uploads/${id}/complete`)
  return id
}

/** A film with a subtitle for each second, whose tracks are named like the subtitles. */
async function makeFilm() {
  const [subtitles, file] = ['film.srt', 'film.mkv'].map((name) => path.join(folder, name))
  const time = (second) => `00:00:${String(second).padStart(2, '0')},000`
  const cues = SUBTITLES.map((text, second) => `${second + 1}\n${time(second)} --> ${time(second + 1)}\n${text}\n`)
  await writeFile(subtitles, cues.join('\n'))
  const sources = ['testsrc2=size=320x180:rate=25', 'sine=frequency=220'].flatMap((source) => ['-f', 'lavfi', '-t', String(SUBTITLES.length), '-i', source])
  const codecs = '-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac -ac 2 -c:s srt -shortest'.split(' ')
  const names = ['a', 's'].flatMap((kind) => [`-metadata:s:${kind}:0`, `title=${CANARIES[1]}`])
  names.push('-metadata:s:s:0', `language=${CANARIES[4]}`, '-metadata', `title=${CANARIES[0]}`, '-metadata', `comment=${run}`)
  await promisify(execFile)(ffmpeg, ['-hide_banner', '-nostdin', '-y', ...sources, '-i', subtitles, ...codecs, ...names, file])
  return file
}

/** Uploads a film by its page, and answers the video's id. */
async function publish(file) {
  const page = admins.contexts[0].pages()[0]
  await page.goto(`${baseUrl}/upload`)
  await page.getByLabel('Choose films to upload').setInputFiles(file)
  await page.getByLabel('Name', { exact: true }).fill(`Named later ${run}`)
  await page.getByRole('button', { name: 'Start the upload' }).click()
  const card = page.getByRole('article', { name: `Named later ${run}` })
  await card.getByText('Ready', { exact: true }).waitFor({ timeout: READY_MS })
  return new URL(await card.getByRole('link', { name: 'Watch' }).getAttribute('href'), baseUrl).pathname.split('/').at(-1)
}

/** Waits until something is so. */
async function until(isSo) {
  for (const end = Date.now() + READY_MS; !(await isSo()); await new Promise((go) => setTimeout(go, 20)))
    assert.ok(Date.now() < end, `it never came that ${isSo}`)
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
