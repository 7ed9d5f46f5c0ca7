type Theme = 'light' | 'dark'

const STORED_AS = 'matinee-theme'
const prefersDark = matchMedia('(prefers-color-scheme: dark)')

/** The colours in use: the visitor's choice, else the system's. public/theme.js applies the choice before the first paint. */
export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme']
  if (chosen === 'light' || chosen === 'dark') return chosen
  return prefersDark.matches ? 'dark' : 'light'
}

/** Changes to the other colours. Choosing what the system prefers follows the system again. */
export function toggleTheme(): void {
  const wanted: Theme = currentTheme() === 'dark' ? 'light' : 'dark'
  const system: Theme = prefersDark.matches ? 'dark' : 'light'
  if (wanted === system) delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = wanted
  try {
    if (wanted === system) localStorage.removeItem(STORED_AS)
    else localStorage.setItem(STORED_AS, wanted)
  } catch {
    // Storage is switched off: the choice lasts until the page is closed.
  }
}

/** Calls back when the system changes its mind. */
export function onSystemTheme(callback: () => void): void {
  prefersDark.addEventListener('change', callback)
}
