// Sets the chosen theme before anything is painted, which is why it is not a
// module. "auto" follows the system.
'use strict';

(() => {
  const key = 'journeys.theme';
  const themes = ['auto', 'light', 'dark'];

  // Storage may be forbidden; then the choice lasts as long as the page.
  function stored() {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  }

  function apply(theme) {
    if (theme === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }

  let theme = themes.includes(stored()) ? stored() : 'auto';
  apply(theme);

  window.journeysTheme = {
    current: () => theme,
    next() {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      apply(theme);
      try {
        localStorage.setItem(key, theme);
      } catch { /* see stored */ }
    },
  };
})();
