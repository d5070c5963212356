package example

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// student is one drawn person.
type student struct{ login, name string }

var firstNames = strings.Fields(`Adèle Alexis Amélie Anaïs Antoine Aurélien Baptiste Camille Célia Chloé Clément
	Corentin Cédric Damien Éléonore Élise Émile Enzo Eugénie Fanny Florian Françoise Gaëlle Gaétan Hélène Hugo Inès
	Jérémy Joël Julie Karim Léa Léo Loïc Lucie Maël Maëlys Manon Mathilde Mehdi Nathan Noémie Océane Paul Quentin
	Raphaël Rémi Romane Sacha Sébastien Solène Sofiane Théo Thomas Ulysse Valentin Victoire William Yasmine Zoé`)

var lastNames = strings.Fields(`Aubert Barbier Bénard Berger Bernard Besançon Bonnet Boucher Brun Caron Chevalier
	Clément Colin Cordier Dubois Ducros Dupré Durand Étienne Faure Fernandez Fleury Fournier Gaillard Garnier Gauthier
	Gérard Giraud Guérin Hubert Jaçot Kœnig Lacroix Lambert Lefèvre Lemaître Leroy Maçon Marchand Martinez Masson
	Mercier Meunier Michel Moreau Morel Moulin N'Guyen Noël Olivier Pelletier Périn Perrot Petit Picard Prévost Renaud
	Richard Rivière Robin Roche Rousseau Roux Sanchez Schmitt Tessier Thévenet Vaillant Vasseur Vidal Weber`)

// draw makes n students with logins of their own. Logins that the documentation
// gives to somebody are left free.
func draw(n int, seed uint64) []student {
	rng := rand.New(rand.NewPCG(seed, 2026))
	used := map[string]int{"zmartin": 1, "rapamato": 1}
	out := make([]student, n)
	for i := range out {
		first, last := firstNames[rng.IntN(len(firstNames))], lastNames[rng.IntN(len(lastNames))]
		stem := letters(first, 3) + letters(last, 5)
		login := stem
		for used[login] > 0 {
			used[stem]++
			login = stem + strconv.Itoa(used[stem])
		}
		used[login]++
		out[i] = student{login, first + " " + strings.ToUpper(last)}
	}
	return out
}

// letters are the first n letters of a name without accents, in lower case.
func letters(name string, n int) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(strings.NewReplacer("œ", "oe", "Œ", "oe").Replace(name)) {
		if unicode.IsLetter(r) && r < unicode.MaxASCII && b.Len() < n {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// roster is a CSV file of students.
func roster(students []student) string {
	var b strings.Builder
	b.WriteString("login;name\n")
	for _, s := range students {
		b.WriteString(s.login + ";" + s.name + "\n")
	}
	return b.String()
}
