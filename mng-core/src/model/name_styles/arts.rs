//! People of the arts.

/// Painters, by the name they go by.
#[rustfmt::skip]
pub(super) static PAINTERS: &[&str] = &[
    "bacon", "bellini", "blake", "bosch", "botticelli", "braque", "bruegel", "canaletto", "caravaggio",
    "cassatt", "cezanne", "chagall", "constable", "corot", "courbet", "cranach", "dali", "daumier", "david",
    "degas", "delacroix", "delaunay", "duchamp", "durer", "ernst", "gainsborough", "gauguin", "gentileschi",
    "giorgione", "giotto", "goya", "hals", "hodler", "hogarth", "hokusai", "holbein", "hopper", "ingres",
    "kahlo", "kandinsky", "kirchner", "klee", "klimt", "leonardo", "liebermann", "lichtenstein", "magritte",
    "malevich", "manet", "matisse", "michelangelo", "miro", "modigliani", "mondrian", "monet", "morisot",
    "munch", "okeeffe", "picasso", "pissarro", "pollock", "poussin", "raphael", "rembrandt", "renoir",
    "rivera", "rothko", "rousseau", "rubens", "schiele", "seurat", "sisley", "tiepolo", "tintoretto",
    "titian", "turner", "uccello", "vermeer", "veronese", "watteau", "whistler",
];

/// Authors, by surname.
#[rustfmt::skip]
pub(super) static AUTHORS: &[&str] = &[
    "achebe", "alcott", "allende", "andersen", "apuleius", "asimov", "atwood", "austen", "baldwin",
    "balzac", "beckett", "bellow", "boccaccio", "borges", "bradbury", "brecht", "bronte", "buchner",
    "bulgakov", "calvino", "camus", "carroll", "cervantes", "chaucer", "chekhov", "cicero", "coetzee",
    "conrad", "cortazar", "dante", "defoe", "dickens", "dickinson", "doblin", "donne", "dostoevsky",
    "doyle", "dumas", "eco", "eliot", "ellison", "euripides", "fallada", "faulkner", "fielding", "flaubert",
    "fontane", "frisch", "gibran", "gogol", "gordimer", "grass", "greene", "hardy", "hawthorne", "heine",
    "hemingway", "hesse", "homer", "horace", "hugo", "huxley", "ibsen", "ishiguro", "james", "joyce",
    "kafka", "keats", "kipling", "kleist", "lem", "lessing", "london", "machado", "mahfouz", "mann",
    "marquez", "melville", "milton", "moliere", "montaigne", "morrison", "murakami", "musil", "nabokov",
    "neruda", "orwell", "ovid", "pamuk", "pasternak", "pessoa", "petrarch", "plath", "poe", "proust",
    "pushkin", "pynchon", "rilke", "rushdie", "saramago", "sartre", "schiller", "shakespeare", "shelley",
    "sophocles", "steinbeck", "stendhal", "stevenson", "swift", "tagore", "thoreau", "tolkien", "tolstoy",
    "trollope", "turgenev", "twain", "undset", "verne", "virgil", "voltaire", "vonnegut", "walser", "wells",
    "wharton", "whitman", "wilde", "woolf", "wordsworth", "yeats", "zola", "zweig",
];

/// Sculptors, architects, photographers and other artists, by surname.
#[rustfmt::skip]
pub(super) static ARTISTS: &[&str] = &[
    "aalto", "abramovic", "adams", "arbus", "arp", "barlach", "barragan", "basquiat", "beckmann", "bernini",
    "beuys", "borromini", "bourgeois", "brancusi", "brunelleschi", "calder", "cellini", "christo",
    "claudel", "corbusier", "cornell", "donatello", "eames", "ernst", "flavin", "gaudi", "gehry",
    "ghiberti", "giacometti", "gropius", "hadid", "haring", "hepworth", "hesse", "hoch", "holzer", "horta",
    "houdon", "johns", "judd", "kapoor", "kiefer", "klein", "koons", "kollwitz", "kusama", "lange",
    "lissitzky", "loos", "maillol", "merz", "mies", "moholy", "moore", "morandi", "morris", "nevelson",
    "niemeyer", "noguchi", "oldenburg", "oppenheim", "palladio", "pei", "phidias", "piano", "praxiteles",
    "rauschenberg", "ray", "rodin", "schinkel", "schwitters", "serra", "sherman", "soane", "sottsass",
    "stieglitz", "tanguy", "tatlin", "tinguely", "toorop", "turrell", "utzon", "vasari", "viola", "warhol",
    "weston", "wren", "wright",
];

/// Composers and performers, by the name they go by.
#[rustfmt::skip]
pub(super) static MUSICIANS: &[&str] = &[
    "albeniz", "armstrong", "arrau", "bach", "baez", "barenboim", "bartok", "basie", "beethoven", "bellini",
    "berg", "berio", "berlioz", "bernstein", "bizet", "boulez", "bowie", "brahms", "brel", "britten",
    "bruckner", "bruch", "brubeck", "callas", "casals", "chopin", "clementi", "coltrane", "copland",
    "corelli", "couperin", "davis", "debussy", "domingo", "donizetti", "dowland", "dvorak", "elgar",
    "ellington", "evans", "faure", "fitzgerald", "franck", "gershwin", "gillespie", "glass", "glinka",
    "gluck", "gould", "grieg", "handel", "haydn", "hendrix", "hindemith", "holiday", "holst", "honegger",
    "horowitz", "ives", "janacek", "joplin", "karajan", "khachaturian", "lassus", "ligeti", "liszt",
    "lully", "mahler", "massenet", "mendelssohn", "menuhin", "messiaen", "mingus", "monk", "monteverdi",
    "mozart", "mussorgsky", "nielsen", "nono", "offenbach", "oistrakh", "paganini", "palestrina", "parker",
    "piaf", "piazzolla", "prokofiev", "puccini", "purcell", "rachmaninoff", "rameau", "ravel", "reger",
    "reich", "respighi", "rossini", "rubinstein", "saint-saens", "salieri", "satie", "scarlatti",
    "schonberg", "schubert", "schumann", "shankar", "shostakovich", "sibelius", "simone", "sinatra",
    "smetana", "strauss", "stravinsky", "tartini", "tchaikovsky", "telemann", "vangelis", "vaughan",
    "verdi", "villa-lobos", "vivaldi", "wagner", "weber", "webern", "weill", "wolf", "xenakis", "zappa",
];
