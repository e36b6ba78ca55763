package names

// adjectives are what a wood, its weather and its plants can be.
const adjectives = `
airy alpine amber ancient autumnal balmy basking blooming boreal bosky bright brisk budding calm
climbing clinging cloudy coastal cool creeping crisp damp dappled dawning deep delicate dewy
downy drifting dripping earthy emerald evening evergreen fallow feathery fertile fleecy floating
flourishing foggy fragrant fresh fringed frosty gentle gilded glacial gleaming glossy golden
grassy green growing hardy hazy hidden hoary humble hushed icy jade juicy lacy leafy light limber
lively lofty loamy lucid luminous lush mellow merry mild misty moonlit mossy murmuring nimble
nodding northern opal patient pearly peaceful pensive placid pleated quiet radiant rainy rambling
resting rippling roaming robust rooted rosy rustic rustling sandy serene shaded shady shaggy shimmering
silent silken silver sleepy slender sloping snowy soft spongy sprouting starry steady still stony
sunny supple swaying sylvan tender thriving tidal tranquil tufted upright velvet verdant vernal
vivid wandering warm watery waving wild windy winter wintry woodland woolly young
`

// nouns are mosses and their kin, other plants, what a forest is made of, and people who studied such.
const nouns = nounsMosses + nounsPlants + nounsForest + nounsPeople

// nounsMosses are genera of mosses, liverworts, hornworts and lichens, and their parts.
const nounsMosses = `
amblystegium andreaea antheridium anthoceros atrichum aulacomnium bartramia bazzania brachythecium bryophyte bryum
buxbaumia calliergon calypogeia campylopus capsule ceratodon cladonia climacium conocephalum
dicranum ditrichum drepanocladus encalypta entodon fissidens fontinalis frullania funaria gemma
grimmia hedwigia homalia hookeria hornwort hylocomium hypnum isothecium jungermannia
leucobryum leucodon lichen liverwort lophocolea lunularia marchantia metzgeria mnium neckera
operculum orthotrichum pellia peristome philonotis physcomitrium plagiochila plagiomnium plagiothecium
pleurozium pogonatum pohlia polytrichum porella protonema ptilidium ptilium racomitrium radula
rhizoid rhodobryum rhytidium riccia scapania schistostega seta sphagnum splachnum spore
syntrichia takakia tetraphis thallus thamnobryum thuidium timmia tortella tortula ulota usnea weissia
`

const nounsPlants = `
alder anemone arnica ash aspen avens bilberry bindweed birch blackthorn bluebell bracken bramble
bryony burdock calamint campion cedar celandine chestnut clover columbine cranberry cress crocus
cypress daffodil daisy elder elm fern fescue fir foxglove gentian hawthorn hazel heather hemlock hepatica
holly hornbeam horsetail ivy juniper larch laurel lily linden lungwort mallow maple marigold mistletoe
myrtle nettle oak orchid oxalis pine polypody poplar primrose quillwort ramson reed rowan rush
saxifrage sedge sorrel speedwell spleenwort spruce sundew sycamore tansy thistle thyme trillium valerian
vetch violet willow woodruff yarrow yew
`

const nounsForest = `
acorn badger bank bark beetle bog boulder branch brook burrow canopy catkin clearing cone copse creek
dell dew fen firefly fog frond glade glen grove heath hedge hollow humus kernel leaf log meadow mire
mist moor mushroom nest newt otter owl peat pebble pond rain ravine ridge ripple root salamander sapling
seedling shade slope snail spring sprig squirrel stone stream stump thicket thrush trunk twig underwood
vale wetland woodpecker wren
`

// nounsPeople are botanists, bryologists before all.
const nounsPeople = `
agardh allorge arnell banks barnes bauhin bonner braun bridel brotherus bruch bryhn burbank buch cardot
carver clark crosby crum dillenius dixon ehrhart elliott evans fulford fuchs goebel grout haller hattori
hedwig herzog hoffmann hofmeister hooker hueber jaeger jussieu kindberg limpricht lindberg lindley linnaeus
loeske magill malpighi mcclintock mendel micheli mitten mueller nees noguchi nyholm persson proctor ray
richards roth ruthe sayre schimper schofield schuster schwaegrichen steere stephani sullivant
swartz taylor theophrastus tournefort turner vaillant verdoorn warnstorf watson wilson
`
