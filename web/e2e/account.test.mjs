/**
 * An account's life in a real browser against a running stack: register, confirm, see the history, change the password, sign out
 * everywhere, forget the password and choose another, take the data and go.
 *
 * Environment: BASE_URL; SCREENSHOT_DIR is optional. The codes are those of the local AWS, which are always the same.
 */
import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startBrowser } from './browser.mjs'

const baseUrl = process.env.BASE_URL?.replace(/\/$/, '')
assert.ok(baseUrl, 'BASE_URL is needed')
const screenshotDir = process.env.SCREENSHOT_DIR

const email = `new-${Date.now().toString(36)}@example.org`
const passwords = ['Correct horse 7 battery', 'Another horse 8 battery', 'A third horse, 9 batteries']

let browser
let page
/** Errors that the page itself threw, and what its content security policy refused. */
const pageErrors = []

before(async () => {
  if (screenshotDir) await mkdir(screenshotDir, { recursive: true })
  browser = await startBrowser()
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage()
  page.setDefaultTimeout(60_000)
  page.on('pageerror', (error) => pageErrors.push(String(error)))
  page.on('console', (message) => {
    if (message.type() === 'error' && message.text().includes('Content Security Policy')) pageErrors.push(message.text())
  })
})

after(async () => {
  await browser?.close()
})

test('the life of an account, in a browser', async (t) => {
  const step = (name, body) => t.test(name, body)

  await step('somebody without an account gets from a page to registering', async () => {
    await page.goto(`${baseUrl}/account`)
    await page.getByRole('link', { name: 'Register' }).click()
    await page.getByRole('heading', { name: 'Register' }).waitFor()
    assert.equal(new URL(page.url()).searchParams.get('redirect'), '/account')
    await page.getByText('At least 12 characters').waitFor()
    await screenshots('register')
  })

  await step('a weak password is refused in words', async () => {
    await page.getByLabel('E-mail').fill(email)
    await page.getByLabel('Password', { exact: true }).fill('aaaaaaaaaaaaaaaa')
    await page.getByRole('button', { name: 'Register' }).click()
    await page.getByRole('alert').filter({ hasText: '5 different characters' }).waitFor()
  })

  await step('the code from the mail confirms, and leads to where one was heading', async () => {
    await page.getByLabel('Password', { exact: true }).fill(passwords[0])
    await page.getByRole('button', { name: 'Register' }).click()
    await page.getByRole('heading', { name: 'Enter your code' }).waitFor()
    await page.getByLabel('Code').fill('000000')
    await page.getByRole('button', { name: 'Confirm and sign in' }).click()
    await page.getByRole('alert').filter({ hasText: 'wrong or has run out' }).waitFor()
    await screenshots('confirm')
    await page.getByRole('button', { name: 'Send another code' }).click()
    await page.getByText('Another code is on its way').waitFor()
    await page.getByLabel('Code').fill('123 456')
    await page.getByRole('button', { name: 'Confirm and sign in' }).click()
    await page.getByRole('heading', { name: 'Account', exact: true }).waitFor()
    assert.equal(page.url(), `${baseUrl}/account`)
  })

  await step('the history shows the sign-in', async () => {
    await page.getByRole('cell', { name: 'Signed in' }).first().waitFor()
    await page.getByRole('cell', { name: 'Chrome on Linux' }).first().waitFor()
    await screenshots('account')
  })

  await step('a change of password wants the old one, and this session goes on', async () => {
    await page.getByLabel('Password until now').fill('not this one, surely')
    await page.getByLabel('Password from now on').fill(passwords[1])
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByRole('alert').filter({ hasText: 'The password is wrong' }).waitFor()
    await page.getByLabel('Password until now').fill(passwords[0])
    await page.getByRole('button', { name: 'Change the password' }).click()
    await page.getByText('The password is changed').waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'Account', exact: true }).waitFor()
  })

  await step('signing out everywhere leads to signing in, which greets', async () => {
    await page.getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click()
    await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    await signIn(passwords[1])
    await page.getByText('Welcome back. Last signed in').waitFor()
  })

  await step('a forgotten password is replaced by a code', async () => {
    await page.context().clearCookies()
    await page.goto(`${baseUrl}/sign-in`)
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    // The page before has a field of the same name.
    await page.getByRole('button', { name: 'Send me a code' }).waitFor()
    await page.getByLabel('E-mail').fill(email)
    await page.getByRole('button', { name: 'Send me a code' }).click()
    await page.getByLabel('Code').fill('654321')
    await page.getByLabel('Password from now on').fill(passwords[2])
    await screenshots('reset')
    await page.getByRole('button', { name: 'Confirm and sign in' }).click()
    await page.getByRole('heading', { name: 'Library' }).waitFor()
  })

  await step('all data are a file, and the account goes when its password is given', async () => {
    await page.goto(`${baseUrl}/account`)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download my data' }).click(),
    ])
    assert.equal(download.suggestedFilename(), 'matinee-account.json')
    const data = JSON.parse(await readFile(await download.path(), 'utf8'))
    assert.equal(data.email, email)
    await page.getByRole('button', { name: 'Delete my account' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Your password').fill('not this one, surely')
    await dialog.getByRole('button', { name: 'Delete my account' }).click()
    await dialog.getByRole('alert').filter({ hasText: 'The password is wrong' }).waitFor()
    await screenshots('delete')
    await dialog.getByLabel('Your password').fill(passwords[2])
    await dialog.getByRole('button', { name: 'Delete my account' }).click()
    await page.getByRole('heading', { name: 'Sign in to Matinee' }).waitFor()
    await signIn(passwords[2])
    await page.getByRole('alert').filter({ hasText: 'The e-mail or the password is wrong' }).waitFor()
  })

  await step('no page has thrown an error', () => assert.deepEqual(pageErrors, []))
})

async function signIn(password) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

/** As on a desktop and on a phone. */
async function screenshots(name) {
  if (!screenshotDir) return
  for (const [kind, width] of [
    ['phone', 390],
    ['desktop', 1280],
  ]) {
    await page.setViewportSize({ width, height: 900 })
    await page.screenshot({ path: path.join(screenshotDir, `${name}-${kind}.png`), fullPage: true })
  }
}
