/** Light, dark, or as the system wishes; the choice is remembered in this browser. */

export type Choice = 'auto' | 'light' | 'dark';
export const CHOICES: readonly Choice[] = ['auto', 'light', 'dark'];

const KEY = 'penstock-theme';

function remembered(): Choice {
	const found = document.documentElement.dataset.theme;
	return found === 'light' || found === 'dark' ? found : 'auto';
}

class Theme {
	choice = $state<Choice>(remembered());
	#systemDark = $state(true);
	/** What is on screen. */
	resolved = $derived(this.choice === 'auto' ? (this.#systemDark ? 'dark' : 'light') : this.choice);

	constructor() {
		const query = matchMedia('(prefers-color-scheme: dark)');
		this.#systemDark = query.matches;
		query.addEventListener('change', (event) => (this.#systemDark = event.matches));
	}

	choose(choice: Choice): void {
		this.choice = choice;
		const root = document.documentElement;
		if (choice === 'auto') delete root.dataset.theme;
		else root.dataset.theme = choice;
		try {
			if (choice === 'auto') localStorage.removeItem(KEY);
			else localStorage.setItem(KEY, choice);
		} catch {
			// Storage is forbidden here: the choice then holds until the page is closed.
		}
	}
}

export const theme = new Theme();
