/**
 * The main job in a real browser against a running stack: sign in, upload a film on a bad network, watch it, edit it, delete it.
 *
 * Environment: BASE_URL, PUBLISHER_EMAIL, PUBLISHER_PASSWORD, VIEWER_EMAIL, VIEWER_PASSWORD, FILM (an MP4 of 40 MB or more that
 * plays in Chromium and that the publisher has not uploaded yet); SCREENSHOT_DIR is optional.
 */
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'
import { PartGate } from './part-gate.mjs'

const baseUrl = required('BASE_URL').replace(/\/$/, '')
const publisher = { email: required('PUBLISHER_EMAIL'), password: required('PUBLISHER_PASSWORD') }
const viewer = { email: required('VIEWER_EMAIL'), password: required('VIEWER_PASSWORD') }
const film = required('FILM')
const screenshotDir = process.env.SCREENSHOT_DIR

/** A run that was broken off leaves its video behind: the names of each run are its own. */
const run = Date.now().toString(36)
const uploadName = `Trial ${run}`
const editedTitle = `A <b>bold</b> title with "quotes" & emoji 🎬 ${run}`
const description = 'First line.\n<script>alert("no")</script> & "more"'

/** Pages may be slow on a busy machine; the film may take a while to be ready. */
const READY_MS = 120_000

let browser
let context
let page
/** Errors that the page itself threw, and what its content security policy refused. None is expected in the whole test. */
const pageErrors = []

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  browser = await startBrowser()
  ;({ context, page } = await newVisitor())
})

after(async () => {
  await browser?.close()
})

test('the main job, in a browser', async (t) => {
  const step = (name, body) =>
    t.test(name, async () => {
      try {
        await body()
      } catch (error) {
        await screenshot(`failed ${name.replaceAll(/[^a-z]+/gi, ' ').trim()}`)
        throw error
      }
    })

  await step('a page that needs a session asks for it and comes back', async () => {
    await page.goto(`${baseUrl}/uploads`)
    await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    assert.equal(new URL(page.url()).searchParams.get('redirect'), '/uploads')
    await screenshot('sign-in')
  })

  await step('a wrong password is refused in words', async () => {
    await signIn(page, { ...publisher, password: 'not the password' })
    await page.getByRole('alert').waitFor()
    await signIn(page, publisher)
    await page.getByRole('heading', { name: 'My uploads' }).waitFor()
    assert.equal(page.url(), `${baseUrl}/uploads`)
  })

  for (const foreign of ['https://example.com/', '//example.com/', '/\\example.com/', '/\t/example.com/']) {
    await step(`a redirect to another site is not followed: ${JSON.stringify(foreign)}`, async () => {
      await signOut(page)
      await page.goto(`${baseUrl}/sign-in?${new URLSearchParams({ redirect: foreign })}`)
      await signIn(page, publisher)
      await page.getByRole('heading', { name: 'Library' }).waitFor()
      assert.equal(page.url(), `${baseUrl}/`)
    })
  }

  await step('a session survives a reload, and a redirect on this site is followed', async () => {
    await page.goto(`${baseUrl}/sign-in?redirect=%2Fupload`)
    await page.getByRole('heading', { name: 'Upload', level: 1 }).waitFor()
    assert.equal(page.url(), `${baseUrl}/upload`)
  })

  const gate = new PartGate(page)
  const states = []
  page.on('response', async (response) => {
    const isUpload = /\/api\/uploads\/[^/]+$/.test(new URL(response.url()).pathname)
    if (!isUpload || response.request().method() !== 'GET' || !response.ok()) return
    const { state } = await response.json().catch(() => ({}))
    if (state && states.at(-1) !== state) states.push(state)
  })
  const card = page.getByRole('article', { name: uploadName })

  await step('a film is chosen and named, and its first parts arrive', async () => {
    await page.getByLabel('Choose films to upload').setInputFiles(film)
    await page.getByLabel('Name', { exact: true }).fill(uploadName)
    await page.getByLabel('Description').fill(description)
    await screenshot('upload-chosen')
    await gate.hold((number) => number <= 1)
    await page.getByRole('button', { name: 'Start the upload' }).click()
    await gate.until(({ arrived, started }) => arrived.includes(1) && started.length >= 3)
    await card.getByRole('progressbar').waitFor()
    await screenshot('upload-sending')
  })

  await step('while it is paused no part is sent', async () => {
    await card.getByRole('button', { name: 'Pause' }).click()
    await card.getByText('Paused.').waitFor()
    const before = gate.started.length
    gate.let(() => true)
    // Other work goes on meanwhile, in the same page: if parts were still being sent, they would show.
    await page.getByRole('link', { name: 'Library' }).click()
    await page.getByRole('heading', { name: 'Library' }).waitFor()
    await page.getByRole('link', { name: 'My uploads' }).first().click()
    await card.getByText('Paused.').waitFor()
    await screenshot('upload-paused')
    assert.equal(gate.started.length, before)
    assert.deepEqual(gate.arrived, [1])
  })

  await step('resuming goes on with what is missing', async () => {
    gate.let((number) => number <= 2)
    await card.getByRole('button', { name: 'Resume' }).click()
    await gate.until(({ arrived }) => arrived.includes(2))
    assert.deepEqual(gate.arrived, [1, 2])
  })

  await step('a lost network is told, and got over when it is back', async () => {
    await context.setOffline(true)
    await card.getByText('You are offline').waitFor()
    await screenshot('upload-offline')
    // What was under way breaks now.
    gate.let((number) => number <= 3)
    await context.setOffline(false)
    await gate.until(({ arrived }) => arrived.includes(3))
  })

  await step('after a reload the same file chosen again sends only the missing parts', async () => {
    let warned = false
    page.once('dialog', (dialog) => {
      warned = dialog.type() === 'beforeunload'
      void dialog.accept()
    })
    await page.reload()
    assert.ok(warned, 'closing the page in mid-upload must be asked about')
    await card.getByText('Incomplete').waitFor()
    await screenshot('upload-incomplete')
    const had = new Set(gate.arrived)
    gate.forget()
    await gate.open()
    await card.getByLabel('Choose the file to resume').setInputFiles(film)
    const end = card.getByText(/^(Ready|Duplicate|Failed)$/)
    await end.waitFor({ timeout: READY_MS })
    assert.equal(await end.textContent(), 'Ready', await card.innerText())
    assert.deepEqual([...had].sort(), [1, 2, 3])
    assert.ok(gate.started.length > 0)
    assert.deepEqual(gate.started.filter((number) => had.has(number)), [])
    assert.equal(new Set(gate.started).size, gate.started.length)
    await screenshot('upload-ready')
  })

  await step('the states come in order, and end with ready', () => {
    const order = ['waiting', 'uploaded', 'checking', 'processing', 'ready']
    const seen = states.map((state) => order.indexOf(state))
    assert.ok(!seen.includes(-1), `unexpected states: ${states}`)
    const afterSending = seen.slice(seen.lastIndexOf(0) + 1)
    assert.deepEqual(afterSending, [...afterSending].sort())
    assert.equal(states.at(-1), 'ready')
  })

  const mediaUrls = []
  const video = page.locator('video')
  await step('the film plays', async () => {
    page.on('request', (request) => {
      if (new URL(request.url()).pathname.startsWith('/media/')) mediaUrls.push(request.url())
    })
    await card.getByRole('link', { name: 'Watch' }).click()
    await page.getByRole('heading', { name: uploadName }).waitFor()
    await page.getByRole('button', { name: 'Play' }).first().click()
    await advances(1)
    await video.hover({ force: true })
    await screenshot('watch')
  })

  await step('hovering over the bar shows the picture and the time there', async () => {
    const { x, y, width, height } = await page.locator('.shaka-seek-bar-container').boundingBox()
    const picture = page.locator('.shaka-player-ui-thumbnail-image')
    // Another place has another picture.
    const places = []
    for (const part of [0.25, 0.75]) {
      const seconds = part * (await video.evaluate((element) => element.duration))
      const times = [-1, 0, 1].map((near) => clock(seconds + near))
      // The pictures come after the film, and the bar looks for them only while the mouse moves.
      for (const end = Date.now() + READY_MS; ; ) {
        for (const near of [-1, 0]) await page.mouse.move(x + width * part + near, y + height / 2)
        if (await page.evaluate(isShown, times)) break
        assert.ok(Date.now() < end, `no picture at ${part} of the bar`)
        await page.waitForTimeout(100)
      }
      places.push(await picture.evaluate((image) => [image.src, image.style.cssText].join(' ')))
      await screenshot(`watch-thumbnail-${part * 100}`)
    }
    assert.notEqual(places[0], places[1])
    await page.mouse.move(x + width / 2, y - 200)

    function isShown(times) {
      const image = document.querySelector('.shaka-player-ui-thumbnail-image')
      const time = document.querySelector('.shaka-player-ui-thumbnail-time')?.textContent ?? ''
      return image?.complete && image.naturalWidth > 0 && times.some((expected) => time.startsWith(expected))
    }
  })

  await step('the key c shows what is said, and hides it', async () => {
    const words = page.locator('.shaka-text-container')
    await video.evaluate((element) => {
      element.pause()
      element.currentTime = 12.4
    })
    assert.equal((await words.allInnerTexts()).join('').trim(), '')
    await page.keyboard.press('c')
    await words.getByText('Second').first().waitFor()
    assert.match(await words.innerText(), /^Second\s12$/m)
    assert.equal(await words.getByText('12').first().evaluate((element) => getComputedStyle(element).fontStyle), 'italic')
    await screenshot('watch-captions')
    await page.keyboard.press('c')
    await page.waitForFunction(() => !document.querySelector('.shaka-text-container')?.textContent?.trim())
    await video.evaluate((element) => element.play())
  })

  await step('it seeks to near its end, and ends', async () => {
    const duration = await video.evaluate((element) => element.duration)
    assert.ok(duration > 5, `a film of ${duration} s is too short for this test`)
    const ended = video.evaluate((element) => new Promise((resolve) => element.addEventListener('ended', resolve, { once: true })).then(() => true))
    await video.evaluate((element) => {
      element.currentTime = element.duration - 3
    })
    await advances(duration - 2)
    assert.ok(await ended)
    assert.equal(await video.evaluate((element) => element.error), null)
    assert.ok(mediaUrls.length > 0)
    for (const url of new Set(mediaUrls)) {
      const answer = await fetch(url)
      await answer.body?.cancel()
      assert.equal(answer.status, 403, `${url} must not be served without a cookie`)
    }
  })

  await step('an edit is shown as it was typed', async () => {
    await edit(page, editedTitle)
    await page.getByRole('heading', { name: editedTitle, level: 1 }).waitFor()
    assert.equal(await page.locator('h1 b').count(), 0)
    await page.getByText('<script>alert("no")</script>').waitFor()
    await screenshot('watch-edited')
  })

  await step('an edit over somebody else’s shows theirs first and loses neither unseen', async () => {
    const address = page.url()
    const other = await context.newPage()
    watch(other)
    await other.goto(address)
    await other.getByRole('button', { name: 'Edit' }).click()
    await edit(page, 'Theirs')
    await page.getByRole('heading', { name: 'Theirs', level: 1 }).waitFor()
    await other.getByLabel('Title', { exact: true }).fill(editedTitle)
    await other.getByRole('button', { name: 'Save' }).click()
    const conflict = other.getByRole('alert')
    await conflict.getByText('Theirs').waitFor()
    await screenshot('edit-conflict', other)
    await other.getByRole('button', { name: 'Save mine' }).click()
    await other.getByRole('heading', { name: editedTitle, level: 1 }).waitFor()
    await other.close()
  })

  await step('a viewer watches on a phone, in the dark, and can neither edit nor upload', async () => {
    const phone = await newVisitor({
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      colorScheme: 'dark',
    })
    const at = phone.page
    await at.goto(page.url())
    await screenshot('phone-sign-in', at)
    await signIn(at, viewer)
    await at.getByRole('heading', { name: editedTitle, level: 1 }).waitFor()
    await at.waitForFunction(() => document.querySelector('video')?.readyState >= 2)
    await screenshot('phone-watch', at)
    assert.equal(await at.getByRole('button', { name: 'Edit' }).count(), 0)
    assert.equal(await at.getByRole('button', { name: 'Delete' }).count(), 0)
    await at.getByRole('link', { name: 'Matinee' }).click()
    await at.getByRole('link', { name: editedTitle }).waitFor()
    assert.equal(await at.getByRole('link', { name: 'Upload' }).count(), 0)
    const wider = await at.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert.ok(wider <= 0, 'the page must not scroll sideways')
    await screenshot('phone-library', at)
    await phone.context.close()
  })

  await step('the library shows it, in the light and in the dark', async () => {
    await page.getByRole('link', { name: 'Library' }).click()
    await page.getByRole('link', { name: editedTitle }).waitFor()
    await screenshot('library-light')
    await page.getByRole('button', { name: 'Use dark colours' }).click()
    await page.getByRole('button', { name: 'Use light colours' }).waitFor()
    await screenshot('library-dark')
  })

  await step('it is deleted after a question, and gone', async () => {
    await page.getByRole('link', { name: editedTitle }).click()
    await page.getByRole('button', { name: 'Delete' }).click()
    const question = page.getByRole('dialog')
    await screenshot('delete')
    await question.getByRole('button', { name: 'Keep it' }).click()
    await question.waitFor({ state: 'detached' })
    const address = page.url()
    await page.getByRole('button', { name: 'Delete' }).click()
    await question.getByRole('button', { name: 'Delete it' }).click()
    await page.getByRole('heading', { name: 'Library' }).waitFor()
    await page.goto(address)
    await page.getByRole('alert').waitFor()
    assert.equal(await page.locator('video').count(), 0)
  })

  await step('the pages threw no error and broke no content security policy', () => {
    assert.deepEqual(pageErrors, [])
  })

  async function advances(toSeconds) {
    await page.waitForFunction((seconds) => document.querySelector('video').currentTime > seconds, toSeconds)
  }
})

async function newVisitor(options = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }) {
  const visitor = await browser.newContext({ ...options, locale: 'en-GB' })
  const firstPage = await visitor.newPage()
  watch(firstPage)
  return { context: visitor, page: firstPage }
}

function watch(visited) {
  visited.on('pageerror', (error) => pageErrors.push(String(error)))
  visited.on('console', (message) => {
    if (/content security policy/i.test(message.text())) pageErrors.push(message.text())
  })
}

async function signIn(at, { email, password }) {
  await at.getByLabel('E-mail').fill(email)
  await at.getByLabel('Password', { exact: true }).fill(password)
  await at.getByRole('button', { name: 'Sign in' }).click()
}

async function signOut(at) {
  await at.getByRole('button', { name: 'Account' }).click()
  await at.getByRole('button', { name: 'Sign out' }).click()
  await at.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
}

async function edit(at, title) {
  await at.getByRole('button', { name: 'Edit' }).click()
  await at.getByLabel('Title', { exact: true }).fill(title)
  await at.getByRole('button', { name: 'Save' }).click()
}

async function screenshot(name, of = page) {
  if (screenshotDir) await of.screenshot({ animations: 'disabled', path: path.join(screenshotDir, `${name}.png`) })
}

/** As the player writes times of less than an hour. */
function clock(seconds) {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

function required(name) {
  const value = process.env[name]
  if (!value) throw new Error(`Set ${name} to run the browser test.`)
  return value
}
